package catalog

import (
	"slices"

	"github.com/aioproxy/aioproxy/parser"
)

// resolver collects what the statements of one text mean.
type resolver struct {
	snap  *snapshot
	path  []string
	out   *Resolution
	seen  map[*relation]bool // read
	wrote map[*relation]bool // written
	worst int                // rank of the function named in out
}

func (s *snapshot) resolve(f *parser.Facts, path []string) *Resolution {
	r := &resolver{
		snap: s, path: path, out: &Resolution{},
		seen: make(map[*relation]bool), wrote: make(map[*relation]bool),
	}
	if f.Opaque() {
		r.writesUnknown("opaque")
		r.readsUnknown("opaque")
	}
	for i := range f.Statements {
		r.statement(&f.Statements[i])
	}
	r.out.Reads = ids(r.seen)
	r.out.Writes = ids(r.wrote)
	return r.out
}

func (r *resolver) statement(st *parser.Statement) {
	for _, n := range st.Reads {
		for _, rel := range r.relations(n) {
			r.read(rel)
			r.out.Rows = max(r.out.Rows, rel.weight)
		}
	}
	for _, n := range st.Writes {
		for _, rel := range r.relations(n) {
			r.write(rel, st.Kind)
		}
	}
	for _, n := range st.Functions {
		r.call(n, r.path)
	}
	r.kind(st)
	r.out.Temporary = r.out.Temporary || st.Temp
}

// kind adds what follows from the kind alone.
func (r *resolver) kind(st *parser.Statement) {
	switch st.Kind {
	case parser.Opaque:
		r.writesUnknown("opaque")
		r.readsUnknown("opaque")
	case parser.DDL:
		r.writesUnknown("ddl")
	case parser.Do:
		r.writesUnknown("do")
		r.readsUnknown("do")
		r.out.SetsState, r.out.Unlisted = true, true
	case parser.Call:
		r.writesUnknown("call")
		r.readsUnknown("call")
	case parser.Execute:
		r.writesUnknown("execute")
		r.readsUnknown("execute")
	case parser.Fetch:
		r.readsUnknown("cursor")
	case parser.CommitPrepared:
		r.writesUnknown("prepared transaction")
	case parser.Empty, parser.Select, parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.CopyFrom,
		parser.CopyTo, parser.Begin, parser.Commit, parser.Rollback, parser.Savepoint, parser.ReleaseSavepoint,
		parser.RollbackToSavepoint, parser.PrepareTransaction, parser.RollbackPrepared, parser.Set, parser.Reset,
		parser.Show, parser.SetConstraints, parser.Explain, parser.Prepare, parser.Deallocate, parser.Discard,
		parser.Declare, parser.CloseCursor, parser.Listen, parser.Unlisten, parser.Notify, parser.Lock, parser.Load,
		parser.Truncate, parser.Maintenance:
	}
}

// relations looks a name up. A name in pg_temp is this session's own and in no catalog of ours.
func (r *resolver) relations(n parser.Name) []*relation {
	if n.Schema == pgTemp {
		r.out.Temporary = true
		return nil
	}
	found := r.snap.find(n, r.path)
	if len(found) == 0 {
		r.unknown(n)
	}
	return found
}

func (r *resolver) unknown(n parser.Name) {
	if r.out.Unknown == "" {
		r.out.Unknown = qualified(n)
	}
}

func (r *resolver) writesUnknown(why string) {
	if r.out.WritesUnknown == "" {
		r.out.WritesUnknown = why
	}
}

func (r *resolver) readsUnknown(why string) {
	if r.out.ReadsUnknown == "" {
		r.out.ReadsUnknown = why
	}
}

// read adds a relation with all that is read through it: a view's relations and functions, a parent's children.
func (r *resolver) read(rel *relation) {
	if rel.system {
		r.out.System = true
		return
	}
	if r.seen[rel] {
		return
	}
	r.seen[rel] = true
	r.out.RowSecurity = r.out.RowSecurity || rel.rowSecurity
	r.out.Temporary = r.out.Temporary || rel.temporary
	r.out.Unlogged = r.out.Unlogged || rel.unlogged
	r.out.Foreign = r.out.Foreign || rel.kind == kindForeign
	r.out.Partitioned = r.out.Partitioned || rel.kind == kindPartitioned || rel.hypertable
	r.out.System = r.out.System || rel.kind == kindSequence // a sequence changes without a write that anybody names
	r.callsOf(rel)
	for _, base := range rel.bases {
		r.read(base)
	}
	for _, child := range rel.children {
		r.read(child)
	}
}

// callsOf adds the functions of a view. Their use of the time is news, while that of the text's own the parser has seen.
func (r *resolver) callsOf(view *relation) {
	for _, n := range view.calls {
		r.call(n, nil)
		r.out.Time = max(r.out.Time, r.snap.functions[n].time)
	}
}

func (r *resolver) call(n parser.Name, path []string) {
	e, worst, known := r.snap.call(n, path)
	if !known {
		r.unknown(n)
		return
	}
	if rank := e.rank(); rank > r.worst {
		r.worst, r.out.Function = rank, worst
	}
	r.out.Volatility = max(r.out.Volatility, e.volatility)
	r.out.Effects = r.out.Effects || e.effects
	r.out.SetsState = r.out.SetsState || e.setsState
	r.out.Unlisted = r.out.Unlisted || e.unlisted
	r.out.System = r.out.System || e.system
	if r.out.Pins == "" {
		r.out.Pins = e.pins
	}
	if e.writes {
		r.writesUnknown("function")
	}
	if e.reads {
		r.readsUnknown("function")
	}
}

// ids returns the relations that hold rows, sorted.
func ids(set map[*relation]bool) []RelID {
	if len(set) == 0 {
		return nil
	}
	out := make([]RelID, 0, len(set))
	for rel := range set {
		if rel.kind != kindView {
			out = append(out, rel.id)
		}
	}
	slices.Sort(out)
	return out
}

func qualified(n parser.Name) string {
	if n.Schema == "" {
		return n.Name
	}
	return n.Schema + "." + n.Name
}
