package pgquery

import (
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/aioproxy/aioproxy/parser"
)

func transaction(st *parser.Statement, s *pg.TransactionStmt) {
	st.Object = s.GetSavepointName()
	if st.Object == "" {
		st.Object = s.GetGid()
	}
	switch st.Kind { //nolint:exhaustive // only these have options
	case parser.Begin, parser.Commit, parser.Rollback:
		st.Tx = transactionOptions(s.GetOptions())
		st.Tx.Chain = s.GetChain()
	}
}

// transactionOptions reads the modes of a transaction. Of contradicting ones the last counts.
func transactionOptions(options []*pg.Node) *parser.Transaction {
	tx := &parser.Transaction{}
	for _, o := range options {
		arg := o.GetDefElem().GetArg()
		switch o.GetDefElem().GetDefname() {
		case "transaction_isolation":
			tx.Serializable = arg.GetAConst().GetSval().GetSval() == "serializable"
		case "transaction_read_only":
			tx.ReadOnly = isTrue(arg)
			tx.ReadWrite = !tx.ReadOnly
		case "transaction_deferrable":
			tx.Deferrable = isTrue(arg)
		}
	}
	return tx
}

func variableSet(st *parser.Statement, s *pg.VariableSetStmt) {
	set := &parser.Setting{Name: strings.ToLower(s.GetName()), Local: s.GetIsLocal()}
	st.Setting = set
	switch s.GetKind() {
	case pg.VariableSetKind_VAR_RESET_ALL:
		set.All, set.Default = true, true
	case pg.VariableSetKind_VAR_RESET, pg.VariableSetKind_VAR_SET_DEFAULT:
		set.Default = true
	case pg.VariableSetKind_VAR_SET_VALUE:
		for _, arg := range s.GetArgs() {
			set.Values = append(set.Values, literal(arg))
		}
	case pg.VariableSetKind_VAR_SET_MULTI:
		multi(st, s)
	case pg.VariableSetKind_VAR_SET_CURRENT, pg.VariableSetKind_VARIABLE_SET_KIND_UNDEFINED:
	}
}

// multi is SET TRANSACTION, SET TRANSACTION SNAPSHOT and SET SESSION CHARACTERISTICS AS TRANSACTION.
func multi(st *parser.Statement, s *pg.VariableSetStmt) {
	switch s.GetName() {
	case "TRANSACTION":
		st.Setting.Local = true
		st.Tx = transactionOptions(s.GetArgs())
	case "SESSION CHARACTERISTICS":
		st.Setting.Name = "characteristics"
		st.Tx = transactionOptions(s.GetArgs())
	case "TRANSACTION SNAPSHOT":
		st.Setting.Name, st.Setting.Local = "transaction_snapshot", true
		for _, arg := range s.GetArgs() {
			st.Setting.Values = append(st.Setting.Values, literal(arg))
		}
	}
}

func variableShow(st *parser.Statement, s *pg.VariableShowStmt) {
	name := strings.ToLower(s.GetName())
	if name == "all" {
		st.Setting = &parser.Setting{All: true}
		return
	}
	st.Setting = &parser.Setting{Name: name}
}

// literal returns a constant as it was written, without its quotes.
func literal(n *pg.Node) string {
	if c := n.GetTypeCast(); c != nil { // SET TIME ZONE INTERVAL '...'
		n = c.GetArg()
	}
	switch v := n.GetAConst().GetVal().(type) {
	case *pg.A_Const_Ival:
		return strconv.Itoa(int(v.Ival.GetIval()))
	case *pg.A_Const_Fval:
		return v.Fval.GetFval()
	case *pg.A_Const_Boolval:
		return strconv.FormatBool(v.Boolval.GetBoolval())
	case *pg.A_Const_Sval:
		return v.Sval.GetSval()
	case *pg.A_Const_Bsval:
		return v.Bsval.GetBsval()
	}
	return ""
}

// configCall reads the arguments of set_config(name, value, is_local) that are literals.
func configCall(args []*pg.Node) parser.ConfigCall {
	if len(args) != 3 || !isLiteral(args[0]) || !isLiteral(args[2]) {
		return parser.ConfigCall{}
	}
	call := parser.ConfigCall{Name: strings.ToLower(literal(args[0]))}
	switch strings.ToLower(strings.TrimSpace(literal(args[2]))) {
	case "true", "tru", "tr", "t", "yes", "ye", "y", "on", "1":
		call.Local = true
	}
	return call
}

// isLiteral reports whether a node is a constant, with one cast or without. Named arguments are not.
func isLiteral(n *pg.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		n = c.GetArg()
	}
	return n.GetAConst().GetVal() != nil
}

// isTrue reads a Boolean option as PostgreSQL's defGetBoolean does; a value that it would refuse counts as true.
func isTrue(n *pg.Node) bool {
	switch v := n.GetNode().(type) {
	case *pg.Node_Boolean:
		return v.Boolean.GetBoolval()
	case *pg.Node_Integer:
		return v.Integer.GetIval() != 0
	case *pg.Node_String_:
		s := strings.ToLower(v.String_.GetSval())
		return s != "false" && s != "off"
	case *pg.Node_AConst:
		return literal(n) != "0" && literal(n) != "false" && literal(n) != "off"
	}
	return true
}
