package pgquery

import (
	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/aioproxy/aioproxy/parser"
)

func analyzeStatement(n *pg.Node) parser.Statement {
	st := parser.Statement{Kind: kindOf(n)}
	w := &walker{st: &st}
	switch st.Kind {
	case parser.Opaque, parser.Empty:
		return parser.Statement{Kind: parser.Opaque}
	case parser.Begin, parser.Commit, parser.Rollback, parser.Savepoint, parser.ReleaseSavepoint,
		parser.RollbackToSavepoint, parser.PrepareTransaction, parser.CommitPrepared, parser.RollbackPrepared:
		transaction(&st, n.GetTransactionStmt())
	case parser.Set, parser.Reset:
		variableSet(&st, n.GetVariableSetStmt())
	case parser.Show:
		variableShow(&st, n.GetVariableShowStmt())
	case parser.CopyFrom, parser.CopyTo:
		w.copy(n.GetCopyStmt())
	case parser.Explain:
		w.explain(n.GetExplainStmt())
	case parser.Prepare:
		st.Object = n.GetPrepareStmt().GetName()
		w.inner(n.GetPrepareStmt().GetQuery(), false)
	case parser.Declare:
		w.declare(n.GetDeclareCursorStmt())
	case parser.DDL:
		w.ddl(n)
	case parser.Truncate, parser.Lock, parser.Maintenance:
		w.changes = n.GetVacuumStmt() == nil
		w.walk(n)
	case parser.Execute, parser.Deallocate, parser.Discard, parser.Fetch, parser.CloseCursor, parser.Listen,
		parser.Unlisten, parser.Notify:
		st.Object = objectOf(n)
		w.walk(n)
	case parser.Select, parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.SetConstraints, parser.Load,
		parser.Do, parser.Call:
		w.walk(n)
	}
	sortNames(&st)
	return st
}

// inner looks at a statement inside another one, which repeats what the inner one names; and what it does, if it is
// carried out.
func (w *walker) inner(n *pg.Node, carriedOut bool) {
	in := analyzeStatement(n)
	st := w.st
	st.Inner = &in
	st.Reads = append(st.Reads, in.Reads...)
	st.Writes = append(st.Writes, in.Writes...)
	st.Functions = append(st.Functions, in.Functions...)
	st.Time, st.Shape = in.Time, in.Shape
	if carriedOut {
		st.Locking = in.Locking
		st.Configs = append(st.Configs, in.Configs...)
		st.Into = st.Into || in.Into
		st.Temp = st.Temp || in.Temp
	}
}

func (w *walker) explain(s *pg.ExplainStmt) {
	for _, o := range s.GetOptions() {
		if o.GetDefElem().GetDefname() == "analyze" {
			w.st.Executes = isTrue(o.GetDefElem().GetArg())
		}
	}
	w.inner(s.GetQuery(), w.st.Executes)
}

// cursorHold is CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h.
const cursorHold = 0x0020

func (w *walker) declare(s *pg.DeclareCursorStmt) {
	w.st.Object = s.GetPortalname()
	w.st.Hold = s.GetOptions()&cursorHold != 0
	w.inner(s.GetQuery(), true)
}

func (w *walker) copy(s *pg.CopyStmt) {
	if s.GetQuery() != nil {
		w.inner(s.GetQuery(), true)
		return
	}
	w.changes = s.GetIsFrom()
	w.rangeVar(s.GetRelation())
	w.where(s.GetWhereClause())
}

func (w *walker) ddl(n *pg.Node) {
	w.changes = true
	w.st.Relogin = relogin(n)
	switch s := n.GetNode().(type) {
	case *pg.Node_CreateTableAsStmt:
		w.into(s.CreateTableAsStmt.GetInto())
		w.inner(s.CreateTableAsStmt.GetQuery(), true)
		return
	case *pg.Node_DropStmt:
		w.drop(s.DropStmt)
		return
	case *pg.Node_CreateStmt, *pg.Node_CreateForeignTableStmt, *pg.Node_ViewStmt, *pg.Node_CreateSeqStmt,
		*pg.Node_CompositeTypeStmt, *pg.Node_CreateSchemaStmt:
		w.creates = true
	case *pg.Node_CreateFunctionStmt:
		w.createsName(s.CreateFunctionStmt.GetFuncname())
	case *pg.Node_CreateEnumStmt:
		w.createsName(s.CreateEnumStmt.GetTypeName())
	case *pg.Node_CreateRangeStmt:
		w.createsName(s.CreateRangeStmt.GetTypeName())
	case *pg.Node_CreateDomainStmt:
		w.createsName(s.CreateDomainStmt.GetDomainname())
	case *pg.Node_DefineStmt:
		w.createsName(s.DefineStmt.GetDefnames())
	}
	w.walk(n)
}

func (w *walker) createsName(name []*pg.Node) {
	if isTempSchema(lastTwo(name).Schema) {
		w.st.Temp = true
	}
}

// drop notes relations that are dropped, and those that lose a trigger, rule or policy.
func (w *walker) drop(s *pg.DropStmt) {
	for _, o := range s.GetObjects() {
		name := o.GetList().GetItems()
		switch s.GetRemoveType() {
		case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW,
			pg.ObjectType_OBJECT_FOREIGN_TABLE, pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_SEQUENCE:
		case pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_POLICY:
			name = name[:max(0, len(name)-1)]
		default:
			continue
		}
		if n := lastTwo(name); n.Name != "" {
			w.st.Writes = append(w.st.Writes, n)
		}
	}
}

// objectOf names what a statement about the session is about. DEALLOCATE ALL, CLOSE ALL and UNLISTEN * have no name.
func objectOf(n *pg.Node) string {
	switch s := n.GetNode().(type) {
	case *pg.Node_ExecuteStmt:
		return s.ExecuteStmt.GetName()
	case *pg.Node_DeallocateStmt:
		return s.DeallocateStmt.GetName()
	case *pg.Node_FetchStmt:
		return s.FetchStmt.GetPortalname()
	case *pg.Node_ClosePortalStmt:
		return s.ClosePortalStmt.GetPortalname()
	case *pg.Node_ListenStmt:
		return s.ListenStmt.GetConditionname()
	case *pg.Node_UnlistenStmt:
		return s.UnlistenStmt.GetConditionname()
	case *pg.Node_NotifyStmt:
		return s.NotifyStmt.GetConditionname()
	case *pg.Node_DiscardStmt:
		switch s.DiscardStmt.GetTarget() {
		case pg.DiscardMode_DISCARD_PLANS:
			return "plans"
		case pg.DiscardMode_DISCARD_SEQUENCES:
			return "sequences"
		case pg.DiscardMode_DISCARD_TEMP:
			return "temp"
		case pg.DiscardMode_DISCARD_ALL, pg.DiscardMode_DISCARD_MODE_UNDEFINED:
			return "all"
		}
	}
	return ""
}
