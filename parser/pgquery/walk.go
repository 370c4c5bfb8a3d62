package pgquery

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/aioproxy/aioproxy/parser"
)

// scope is a chain of WITH names, innermost first.
type scope struct {
	name  string
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return true
		}
	}
	return false
}

// walker collects the facts of one statement from its tree.
type walker struct {
	st    *parser.Statement
	scope *scope

	// What the place that is being walked means.
	condition bool // in WHERE, HAVING or ON: the time does not get into the output
	target    bool // in a target list or GROUP BY
	query     int  // how many queries are around this place
	changes   bool // a relation outside of queries is the object of a utility statement that changes it
	creates   bool // and that may create it
}

// walk visits whatever is below a node.
func (w *walker) walk(n *pg.Node) {
	if n != nil {
		w.message(n.ProtoReflect())
	}
}

func (w *walker) list(nodes []*pg.Node) {
	for _, n := range nodes {
		w.walk(n)
	}
}

// children visits a node of which nothing but what it contains matters. Order does not matter to any fact.
func (w *walker) children(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			l := v.List()
			for i := range l.Len() {
				w.message(l.Get(i).Message())
			}
		default:
			w.message(v.Message())
		}
		return true
	})
}

// message visits one node of the tree. Nodes that are not named here count for what is below them.
func (w *walker) message(m protoreflect.Message) {
	switch n := m.Interface().(type) {
	case *pg.SelectStmt:
		w.selectStmt(n)
	case *pg.InsertStmt:
		w.insert(n)
	case *pg.UpdateStmt:
		w.update(n)
	case *pg.DeleteStmt:
		w.delete(n)
	case *pg.MergeStmt:
		w.merge(n)
	case *pg.RangeVar:
		w.rangeVar(n)
	case *pg.JoinExpr:
		w.join(n)
	case *pg.RangeSubselect:
		w.st.Shape.Subqueries++
		w.children(m)
	case *pg.RangeTableSample: // the method is a function, and as volatile as random()
		w.st.Functions = append(w.st.Functions, lastTwo(n.GetMethod()))
		w.children(m)
	case *pg.SubLink:
		w.subLink(n, m)
	case *pg.FuncCall:
		w.call(n, m)
	case *pg.SQLValueFunction:
		w.valueFunction(n)
	case *pg.TypeCast:
		w.typeCast(n)
	case *pg.A_Const:
		if looksLikeTime(n.GetSval().GetSval()) {
			w.usesTime()
		}
	case *pg.A_Expr:
		w.expr(n, m)
	case *pg.GroupingFunc:
		w.st.Shape.GroupBy = true
		w.children(m)
	case *pg.IntoClause:
		w.into(n)
	case *pg.LockingClause:
		w.st.Locking = true // its names are aliases, not relations
	default:
		w.children(m)
	}
}

// in walks with a changed place and restores it.
func (w *walker) in(change func(*walker), walk func()) {
	saved := *w
	change(w)
	walk()
	w.scope, w.condition, w.target, w.query = saved.scope, saved.condition, saved.target, saved.query
	w.changes, w.creates = saved.changes, saved.creates
}

func (w *walker) where(n *pg.Node) {
	if n == nil {
		return
	}
	w.in(func(w *walker) { w.condition, w.target = true, false }, func() { w.walk(n) })
	w.terms(n)
}

func (w *walker) targets(nodes []*pg.Node) {
	w.in(func(w *walker) { w.target = true }, func() { w.list(nodes) })
}

func sortNames(st *parser.Statement) {
	for _, names := range []*[]parser.Name{&st.Reads, &st.Writes, &st.Functions} {
		slices.SortFunc(*names, parser.Name.Compare)
		*names = slices.Clip(slices.Compact(*names))
	}
}
