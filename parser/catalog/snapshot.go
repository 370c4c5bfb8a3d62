package catalog

import (
	"github.com/aioproxy/aioproxy/parser"
)

// relKind is pg_class.relkind of what a statement can name.
type relKind uint8

const (
	kindTable relKind = iota
	kindPartitioned
	kindView
	kindMatview
	kindForeign
	kindSequence
)

func (k relKind) String() string {
	switch k {
	case kindTable:
		return "table"
	case kindPartitioned:
		return "partitioned table"
	case kindView:
		return "view"
	case kindMatview:
		return "materialized view"
	case kindForeign:
		return "foreign table"
	case kindSequence:
		return "sequence"
	}
	return "unknown"
}

func relKindOf(code string) (relKind, bool) {
	switch code {
	case "r":
		return kindTable, true
	case "p":
		return kindPartitioned, true
	case "v":
		return kindView, true
	case "m":
		return kindMatview, true
	case "f":
		return kindForeign, true
	case "S":
		return kindSequence, true
	}
	return kindTable, false
}

// relation is what the catalogues say of one relation. Not changed once its snapshot is published.
type relation struct {
	id          RelID
	name        parser.Name
	kind        relKind
	temporary   bool
	unlogged    bool
	rowSecurity bool
	system      bool // of pg_catalog or information_schema
	hypertable  bool
	rows        float64 // -1: never counted
	weight      float64 // rows that reading it means, see weigh

	parents  []*relation // by inheritance or partitioning
	children []*relation

	bases []*relation   // of a view: what its rule names
	calls []parser.Name // of a view: the functions that its rule calls

	cascades  []*relation   // changed by foreign keys when rows here change
	referring []*relation   // with any foreign key to this relation: TRUNCATE ... CASCADE empties them
	onWrite   []parser.Name // functions of defaults and checks
	triggered []parser.Name // functions of triggers
	trigger   bool          // a trigger that may change other tables
	rule      bool          // a rule that rewrites a command
}

// schema is a row of pg_namespace.
type schema struct {
	// open is whether PUBLIC may use it. PostgreSQL passes over schemas of the search path that the user may not use.
	open bool
}

// snapshot is one database as it was at one moment, with the resolutions made from it.
type snapshot struct {
	digest    string // of the catalogues, see queryDigest
	schemas   map[string]schema
	relations map[RelID]*relation
	byName    map[parser.Name]*relation
	functions map[parser.Name]effect
	memo      memo
}

// find returns the relations that a name may mean: the first match in the path, and those behind it when the first ones
// are in schemas that not everybody may use.
func (s *snapshot) find(n parser.Name, path []string) []*relation {
	if n.Schema != "" {
		if r := s.byName[n]; r != nil {
			return []*relation{r}
		}
		return nil
	}
	var found []*relation
	for _, name := range path {
		r := s.byName[parser.Name{Schema: name, Name: n.Name}]
		if r == nil {
			continue
		}
		found = append(found, r)
		if s.schemas[name].open {
			break
		}
	}
	return found
}

// call returns the worst of what a call by this name may do, as which overload is meant depends on types, and the
// qualified name of the worst one.
func (s *snapshot) call(n parser.Name, path []string) (e effect, worst parser.Name, known bool) {
	if n.Schema != "" {
		e, known = s.functions[n]
		return e, n, known
	}
	rank := -1
	for _, name := range path {
		q := parser.Name{Schema: name, Name: n.Name}
		o, ok := s.functions[q]
		if !ok {
			continue
		}
		if o.rank() > rank {
			rank, worst = o.rank(), q
		}
		e.add(o)
		known = true
	}
	return e, worst, known
}
