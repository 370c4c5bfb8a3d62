package catalog

import (
	"strings"

	"github.com/aioproxy/aioproxy/parser"
)

// builder makes a snapshot of the rows of the catalogues. Relations come first, then functions, then what joins them.
type builder struct {
	snap     *snapshot
	names    map[uint32]parser.Name // of functions, by oid
	judged   []judged
	triggers []trigger
}

type trigger struct {
	on *relation
	by parser.Name
}

type relationRow struct {
	id                uint32
	schema, name      string
	kind, persistence string
	rowSecurity       bool
	rows              float64
}

func newBuilder() *builder {
	return &builder{
		names: make(map[uint32]parser.Name),
		snap: &snapshot{
			schemas:   make(map[string]schema),
			relations: make(map[RelID]*relation),
			byName:    make(map[parser.Name]*relation),
			functions: make(map[parser.Name]effect),
		},
	}
}

func (b *builder) relation(row relationRow) {
	kind, ok := relKindOf(row.kind)
	if !ok {
		return
	}
	r := &relation{
		id: RelID(row.id), name: parser.Name{Schema: row.schema, Name: row.name}, kind: kind,
		temporary: row.persistence == "t", unlogged: row.persistence == "u",
		rowSecurity: row.rowSecurity, rows: row.rows, weight: unweighed,
		system: row.schema == pgCatalog || row.schema == infoSchema || strings.HasPrefix(row.schema, "pg_toast"),
	}
	b.snap.relations[r.id] = r
	b.snap.byName[r.name] = r
}

// at returns nil for what no statement can name, such as an index.
func (b *builder) at(id uint32) *relation { return b.snap.relations[RelID(id)] }

func (b *builder) inherits(child, parent uint32) {
	c, p := b.at(child), b.at(parent)
	if c == nil || p == nil {
		return
	}
	c.parents = append(c.parents, p)
	p.children = append(p.children, c)
}

func (b *builder) builtin(schema, name, volatility string, oids []uint32) {
	n := parser.Name{Schema: schema, Name: name}
	b.snap.functions[n] = builtin(name, volatilityOf(volatility))
	for _, oid := range oids {
		b.names[oid] = n
	}
}

func (b *builder) function(oid uint32, p procedure) {
	b.names[oid] = p.name
	b.judged = append(b.judged, judge(p))
}

// sqlValueFunctions are the functions that answer like CURRENT_DATE and its kin, by their number in SQLValueFunctionOp
// (nodes/primnodes.h): after nine for the time come four for the user, CURRENT_CATALOG and CURRENT_SCHEMA.
var sqlValueFunctions = []string{
	"now", "now", "now", "now", "now", "now", "now", "now", "now",
	"current_user", "current_user", "current_user", "session_user", "current_database", "current_schema",
}

func (b *builder) view(id uint32, field string, value int64) {
	v := b.at(id)
	if v == nil {
		return
	}
	switch field {
	case "relid":
		// Trees of older versions name the view itself too, as OLD and NEW.
		if base := b.at(uint32(value)); base != nil && base != v {
			v.bases = append(v.bases, base)
		}
	case "SQLVALUEFUNCTION":
		if value < int64(len(sqlValueFunctions)) {
			v.calls = append(v.calls, parser.Name{Schema: pgCatalog, Name: sqlValueFunctions[value]})
		}
	default:
		if n, ok := b.names[uint32(value)]; ok {
			v.calls = append(v.calls, n)
		}
	}
}

func (b *builder) rule(id uint32) {
	if r := b.at(id); r != nil {
		r.rule = true
	}
}

func (b *builder) trigger(id uint32, schema, name string) {
	if r := b.at(id); r != nil {
		b.triggers = append(b.triggers, trigger{on: r, by: parser.Name{Schema: schema, Name: name}})
	}
}

func (b *builder) onWrite(id uint32, schema, name string) {
	if r := b.at(id); r != nil {
		r.onWrite = append(r.onWrite, parser.Name{Schema: schema, Name: name})
	}
}

func (b *builder) foreignKey(referred, referring uint32, acts bool) {
	to, from := b.at(referred), b.at(referring)
	if to == nil || from == nil {
		return
	}
	to.referring = append(to.referring, from)
	if acts {
		to.cascades = append(to.cascades, from)
	}
}

func (b *builder) hypertable(schema, name string) {
	if r := b.snap.byName[parser.Name{Schema: schema, Name: name}]; r != nil {
		r.hypertable = true
	}
}

// build finishes what needs all rows.
func (b *builder) build() *snapshot {
	spread(b.judged)
	loud := make(map[parser.Name]bool)
	for i := range b.judged {
		j := &b.judged[i]
		e := b.snap.functions[j.name]
		e.add(j.effect)
		b.snap.functions[j.name] = e
		loud[j.name] = loud[j.name] || j.body.writes
	}
	for _, t := range b.triggers {
		t.on.triggered = append(t.on.triggered, t.by)
		t.on.trigger = t.on.trigger || !quiet(t.by, loud)
	}
	for _, r := range b.snap.relations {
		weigh(r)
	}
	return b.snap
}

// quiet reports whether a trigger function changes at most the row that it is called for.
func quiet(by parser.Name, loud map[parser.Name]bool) bool {
	if strings.HasPrefix(by.Schema, "_timescaledb") && by.Name == "insert_blocker" {
		return true // guards a hypertable's root
	}
	if l, user := loud[by]; user {
		return !l
	}
	return quietTriggers[by.Name]
}

const unweighed = -1

// weigh estimates what reading a relation means in rows: the sum over a parent's children, the biggest of a view's
// relations; catalogues are not counted. Views that name each other in a circle, which PostgreSQL lets one create, count as nothing.
func weigh(r *relation) float64 {
	if r.weight != unweighed {
		return r.weight
	}
	r.weight = 0
	sum := 0.0
	if r.kind != kindPartitioned && !r.system { // its own number, where there is one, is the sum already
		sum = max(r.rows, 0)
	}
	for _, c := range r.children {
		sum += weigh(c)
	}
	for _, b := range r.bases {
		sum = max(sum, weigh(b))
	}
	r.weight = sum
	return sum
}
