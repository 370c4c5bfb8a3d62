package pgquery

import (
	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/aioproxy/aioproxy/parser"
)

// lastTwo reads a name from a list of strings: [database.][schema.]name.
func lastTwo(nodes []*pg.Node) parser.Name {
	var n parser.Name
	for _, node := range nodes {
		n.Schema, n.Name = n.Name, node.GetString_().GetSval()
	}
	return n
}

// operator returns an operator's own name, without the schema of OPERATOR(schema.+).
func operator(nodes []*pg.Node) string { return lastTwo(nodes).Name }

func (w *walker) call(c *pg.FuncCall, m protoreflect.Message) {
	name := lastTwo(c.GetFuncname())
	w.st.Functions = append(w.st.Functions, name)
	sh := &w.st.Shape
	if c.GetOver() != nil {
		sh.Window = true
	} else if aggregates[name.Name] || c.GetAggFilter() != nil || c.GetAggWithinGroup() || c.GetAggStar() ||
		c.GetAggDistinct() || len(c.GetAggOrder()) > 0 {
		sh.Aggregates = true
	}
	if timeBuckets[name.Name] && w.target {
		sh.TimeBucket = true
	}
	if name.Name == "set_config" {
		w.st.Configs = append(w.st.Configs, configCall(c.GetArgs()))
	}
	if searches[name.Name] {
		sh.TextSearch = true
	}
	switch {
	case volatileClocks[name.Name]:
		w.st.Time = parser.TimeInOutput
	case clocks[name.Name], name.Name == "age" && len(c.GetArgs()) == 1: // age(x) counts from CURRENT_DATE
		w.usesTime()
	}
	w.children(m)
}

// valueFunction is CURRENT_DATE and the like. Those that are not about the time are functions by another name.
func (w *walker) valueFunction(f *pg.SQLValueFunction) {
	var name string
	switch f.GetOp() {
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_ROLE, pg.SQLValueFunctionOp_SVFOP_CURRENT_USER,
		pg.SQLValueFunctionOp_SVFOP_USER:
		name = "current_user"
	case pg.SQLValueFunctionOp_SVFOP_SESSION_USER:
		name = "session_user"
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_CATALOG:
		name = "current_database"
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_SCHEMA:
		name = "current_schema"
	case pg.SQLValueFunctionOp_SQLVALUE_FUNCTION_OP_UNDEFINED,
		pg.SQLValueFunctionOp_SVFOP_CURRENT_DATE, pg.SQLValueFunctionOp_SVFOP_CURRENT_TIME,
		pg.SQLValueFunctionOp_SVFOP_CURRENT_TIME_N, pg.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP,
		pg.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP_N, pg.SQLValueFunctionOp_SVFOP_LOCALTIME,
		pg.SQLValueFunctionOp_SVFOP_LOCALTIME_N, pg.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP,
		pg.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP_N:
		w.usesTime()
		return
	}
	w.st.Functions = append(w.st.Functions, parser.Name{Schema: "pg_catalog", Name: name})
}

func (w *walker) expr(e *pg.A_Expr, m protoreflect.Message) {
	op := operator(e.GetName())
	if isTextSearch(op) || op == "%" && (isStringConst(e.GetLexpr()) || isStringConst(e.GetRexpr())) {
		w.st.Shape.TextSearch = true
	}
	w.children(m)
}

// terms looks at the AND terms of a condition.
func (w *walker) terms(n *pg.Node) {
	if b := n.GetBoolExpr(); b != nil {
		for _, arg := range b.GetArgs() {
			w.terms(arg)
		}
		return
	}
	e := n.GetAExpr()
	if e == nil {
		return
	}
	op := operator(e.GetName())
	switch {
	case op == "%": // not modulo: its result is a condition
		w.st.Shape.TextSearch = true
	case isBetween(e.GetKind()):
		if isColumn(e.GetLexpr()) && !hasColumn(e.GetRexpr().GetList().GetItems()) {
			w.st.Shape.TimeRange = true
		}
	case op == "<", op == "<=", op == ">", op == ">=":
		l, r := e.GetLexpr(), e.GetRexpr()
		if isColumn(l) && isValue(r) || isColumn(r) && isValue(l) {
			w.st.Shape.TimeRange = true
		}
	}
}

func isBetween(k pg.A_Expr_Kind) bool {
	return k == pg.A_Expr_Kind_AEXPR_BETWEEN || k == pg.A_Expr_Kind_AEXPR_BETWEEN_SYM
}

// isValue reports whether an expression is computed from literals, parameters and functions of those alone.
func isValue(n *pg.Node) bool { return n != nil && !hasColumn([]*pg.Node{n}) }

func isColumn(n *pg.Node) bool { return n.GetColumnRef() != nil }

func isStringConst(n *pg.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		n = c.GetArg()
	}
	return n.GetAConst().GetSval() != nil
}

// isConst reports whether a node is a literal or a parameter, with a cast or without.
func isConst(n *pg.Node) bool {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().GetArg()
	}
	return n.GetAConst() != nil || n.GetParamRef() != nil
}

// hasEquality reports whether an AND term pins a plain column to a value or a list of values.
func hasEquality(n *pg.Node) bool {
	if b := n.GetBoolExpr(); b != nil && b.GetBoolop() == pg.BoolExprType_AND_EXPR {
		for _, arg := range b.GetArgs() {
			if hasEquality(arg) {
				return true
			}
		}
		return false
	}
	e := n.GetAExpr()
	if e == nil || operator(e.GetName()) != "=" {
		return false
	}
	l, r := e.GetLexpr(), e.GetRexpr()
	switch e.GetKind() {
	case pg.A_Expr_Kind_AEXPR_OP:
		return isColumn(l) && isConst(r) || isColumn(r) && isConst(l)
	case pg.A_Expr_Kind_AEXPR_IN, pg.A_Expr_Kind_AEXPR_OP_ANY:
		return isColumn(l) && isValue(r)
	}
	return false
}

// hasColumn reports whether there is a column or a subquery anywhere below.
func hasColumn(nodes []*pg.Node) bool {
	for _, n := range nodes {
		if n != nil && messageHasColumn(n.ProtoReflect()) {
			return true
		}
	}
	return false
}

func messageHasColumn(m protoreflect.Message) bool {
	switch m.Interface().(type) {
	case *pg.ColumnRef, *pg.SubLink:
		return true
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			l := v.List()
			for i := range l.Len() {
				found = found || messageHasColumn(l.Get(i).Message())
			}
		default:
			found = messageHasColumn(v.Message())
		}
		return !found
	})
	return found
}
