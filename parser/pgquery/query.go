package pgquery

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/aioproxy/aioproxy/parser"
)

func nameOf(v *pg.RangeVar) parser.Name {
	return parser.Name{Schema: v.GetSchemaname(), Name: v.GetRelname()}
}

// inQuery walks what belongs to one SELECT, INSERT, UPDATE, DELETE or MERGE, with the names of its WITH in scope.
func (w *walker) inQuery(with *pg.WithClause, walk func()) {
	w.in(func(w *walker) { w.query++; w.changes = false; w.creates = false }, func() {
		w.with(with)
		walk()
	})
}

// with walks the queries of a WITH. Without RECURSIVE each sees the names before it, with it all of them.
func (w *walker) with(with *pg.WithClause) {
	if with.GetRecursive() {
		w.st.Shape.Recursive = true
		for _, n := range with.GetCtes() {
			w.scope = &scope{n.GetCommonTableExpr().GetCtename(), w.scope}
		}
	}
	for _, n := range with.GetCtes() {
		cte := n.GetCommonTableExpr()
		w.st.Shape.Subqueries++
		w.in(func(w *walker) { w.target = false }, func() { w.walk(cte.GetCtequery()) })
		if !with.GetRecursive() {
			w.scope = &scope{cte.GetCtename(), w.scope}
		}
	}
}

func (w *walker) selectStmt(s *pg.SelectStmt) {
	if s.GetIntoClause() != nil {
		w.into(s.GetIntoClause())
	}
	w.inQuery(s.GetWithClause(), func() {
		w.selectShape(s)
		if s.GetOp() != pg.SetOperation_SETOP_NONE {
			w.selectStmt(s.GetLarg())
			w.selectStmt(s.GetRarg())
		}
		w.in(func(w *walker) { w.target = false }, func() { w.list(s.GetFromClause()) })
		w.targets(s.GetTargetList())
		w.targets(s.GetGroupClause())
		w.targets(s.GetDistinctClause())
		w.list(s.GetValuesLists())
		w.list(s.GetWindowClause())
		w.list(s.GetSortClause())
		w.list(s.GetLockingClause())
		w.walk(s.GetLimitCount())
		w.walk(s.GetLimitOffset())
		w.where(s.GetWhereClause())
		w.where(s.GetHavingClause())
	})
}

func (w *walker) selectShape(s *pg.SelectStmt) {
	sh := &w.st.Shape
	sh.SetOperation = sh.SetOperation || s.GetOp() != pg.SetOperation_SETOP_NONE
	sh.Distinct = sh.Distinct || len(s.GetDistinctClause()) > 0
	sh.GroupBy = sh.GroupBy || len(s.GetGroupClause()) > 0 || s.GetHavingClause() != nil
	sh.Window = sh.Window || len(s.GetWindowClause()) > 0
	sh.OrderBy = sh.OrderBy || len(s.GetSortClause()) > 0
	sh.Limit = sh.Limit || s.GetLimitCount() != nil
	w.whereShape(s.GetWhereClause())
	sh.Joins += max(0, len(s.GetFromClause())-1)
}

// whereShape notes a WHERE, and in the outermost query what its terms look like.
func (w *walker) whereShape(where *pg.Node) {
	if where == nil {
		return
	}
	w.st.Shape.Where = true
	if w.query == 1 && hasEquality(where) {
		w.st.Shape.Equality = true
	}
}

func (w *walker) insert(s *pg.InsertStmt) {
	target := nameOf(s.GetRelation())
	w.st.Writes = append(w.st.Writes, target)
	w.inQuery(s.GetWithClause(), func() {
		w.list(s.GetCols())
		w.walk(s.GetSelectStmt())
		if c := s.GetOnConflictClause(); c != nil {
			w.where(c.GetInfer().GetWhereClause())
			w.list(c.GetInfer().GetIndexElems())
			w.list(c.GetTargetList())
			w.where(c.GetWhereClause())
			if c.GetAction() == pg.OnConflictAction_ONCONFLICT_UPDATE {
				w.st.Reads = append(w.st.Reads, target)
			}
		}
		w.returning(s.GetReturningList(), target)
	})
}

func (w *walker) returning(list []*pg.Node, target parser.Name) {
	if len(list) > 0 {
		w.st.Reads = append(w.st.Reads, target)
		w.targets(list)
	}
}

func (w *walker) update(s *pg.UpdateStmt) {
	target := nameOf(s.GetRelation())
	w.st.Writes = append(w.st.Writes, target)
	if s.GetWhereClause() != nil || len(s.GetFromClause()) > 0 || hasColumn(s.GetTargetList()) {
		w.st.Reads = append(w.st.Reads, target)
	}
	w.inQuery(s.GetWithClause(), func() {
		w.st.Shape.Joins += len(s.GetFromClause())
		w.whereShape(s.GetWhereClause())
		w.list(s.GetFromClause())
		w.list(s.GetTargetList())
		w.where(s.GetWhereClause())
		w.returning(s.GetReturningList(), target)
	})
}

func (w *walker) delete(s *pg.DeleteStmt) {
	target := nameOf(s.GetRelation())
	w.st.Writes = append(w.st.Writes, target)
	if s.GetWhereClause() != nil || len(s.GetUsingClause()) > 0 {
		w.st.Reads = append(w.st.Reads, target)
	}
	w.inQuery(s.GetWithClause(), func() {
		w.st.Shape.Joins += len(s.GetUsingClause())
		w.whereShape(s.GetWhereClause())
		w.list(s.GetUsingClause())
		w.where(s.GetWhereClause())
		w.returning(s.GetReturningList(), target)
	})
}

func (w *walker) merge(s *pg.MergeStmt) {
	target := nameOf(s.GetRelation())
	w.st.Writes = append(w.st.Writes, target)
	w.st.Reads = append(w.st.Reads, target)
	w.inQuery(s.GetWithClause(), func() {
		w.st.Shape.Joins++
		w.walk(s.GetSourceRelation())
		w.where(s.GetJoinCondition())
		for _, n := range s.GetMergeWhenClauses() {
			when := n.GetMergeWhenClause()
			w.where(when.GetCondition())
			w.list(when.GetTargetList())
			w.list(when.GetValues())
		}
	})
}

// rangeVar is a relation named in FROM, or the object of a utility statement.
func (w *walker) rangeVar(v *pg.RangeVar) {
	name := nameOf(v)
	switch {
	case w.query == 0 && w.changes:
		w.st.Writes = append(w.st.Writes, name)
		if w.creates && isTemp(v) {
			w.st.Temp = true
		}
		return
	case name.Schema == "" && w.scope.has(name.Name):
		return
	}
	w.st.Shape.Relations++
	w.st.Reads = append(w.st.Reads, name)
}

func isTemp(v *pg.RangeVar) bool {
	return v.GetRelpersistence() == "t" || isTempSchema(v.GetSchemaname())
}

func isTempSchema(schema string) bool { return strings.HasPrefix(schema, "pg_temp") }

func (w *walker) into(into *pg.IntoClause) {
	w.st.Into = true
	w.st.Writes = append(w.st.Writes, nameOf(into.GetRel()))
	if isTemp(into.GetRel()) {
		w.st.Temp = true
	}
}

func (w *walker) join(j *pg.JoinExpr) {
	w.st.Shape.Joins++
	w.walk(j.GetLarg())
	w.walk(j.GetRarg())
	w.where(j.GetQuals())
}

func (w *walker) subLink(s *pg.SubLink, m protoreflect.Message) {
	w.st.Shape.Subqueries++
	if isTextSearch(operator(s.GetOperName())) {
		w.st.Shape.TextSearch = true
	}
	w.children(m)
}
