package pgquery

import (
	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/aioproxy/aioproxy/parser"
)

// kindOf names the kind of a statement. A node that this version of the grammar has and we do not know is opaque.
func kindOf(n *pg.Node) parser.Kind {
	switch s := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return parser.Select
	case *pg.Node_InsertStmt:
		return parser.Insert
	case *pg.Node_UpdateStmt:
		return parser.Update
	case *pg.Node_DeleteStmt:
		return parser.Delete
	case *pg.Node_MergeStmt:
		return parser.Merge
	case *pg.Node_CopyStmt:
		if s.CopyStmt.GetIsFrom() {
			return parser.CopyFrom
		}
		return parser.CopyTo
	case *pg.Node_TransactionStmt:
		return transactionKind(s.TransactionStmt.GetKind())
	case *pg.Node_VariableSetStmt:
		return setKind(s.VariableSetStmt.GetKind())
	case *pg.Node_TruncateStmt:
		return parser.Truncate
	case *pg.Node_VacuumStmt, *pg.Node_ClusterStmt, *pg.Node_ReindexStmt, *pg.Node_CheckPointStmt,
		*pg.Node_RefreshMatViewStmt:
		return parser.Maintenance
	}
	if k := sessionKind(n); k != parser.Opaque {
		return k
	}
	if isDDL(n) {
		return parser.DDL
	}
	return parser.Opaque
}

// sessionKind knows the statements about the session and what it runs.
func sessionKind(n *pg.Node) parser.Kind {
	switch n.GetNode().(type) {
	case *pg.Node_VariableShowStmt:
		return parser.Show
	case *pg.Node_ConstraintsSetStmt:
		return parser.SetConstraints
	case *pg.Node_ExplainStmt:
		return parser.Explain
	case *pg.Node_PrepareStmt:
		return parser.Prepare
	case *pg.Node_ExecuteStmt:
		return parser.Execute
	case *pg.Node_DeallocateStmt:
		return parser.Deallocate
	case *pg.Node_DiscardStmt:
		return parser.Discard
	case *pg.Node_DeclareCursorStmt:
		return parser.Declare
	case *pg.Node_FetchStmt:
		return parser.Fetch
	case *pg.Node_ClosePortalStmt:
		return parser.CloseCursor
	case *pg.Node_ListenStmt:
		return parser.Listen
	case *pg.Node_UnlistenStmt:
		return parser.Unlisten
	case *pg.Node_NotifyStmt:
		return parser.Notify
	case *pg.Node_LockStmt:
		return parser.Lock
	case *pg.Node_LoadStmt:
		return parser.Load
	case *pg.Node_DoStmt:
		return parser.Do
	case *pg.Node_CallStmt:
		return parser.Call
	}
	return parser.Opaque
}

func transactionKind(k pg.TransactionStmtKind) parser.Kind {
	switch k {
	case pg.TransactionStmtKind_TRANS_STMT_BEGIN, pg.TransactionStmtKind_TRANS_STMT_START:
		return parser.Begin
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT:
		return parser.Commit
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		return parser.Rollback
	case pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		return parser.Savepoint
	case pg.TransactionStmtKind_TRANS_STMT_RELEASE:
		return parser.ReleaseSavepoint
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		return parser.RollbackToSavepoint
	case pg.TransactionStmtKind_TRANS_STMT_PREPARE:
		return parser.PrepareTransaction
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED:
		return parser.CommitPrepared
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED:
		return parser.RollbackPrepared
	case pg.TransactionStmtKind_TRANSACTION_STMT_KIND_UNDEFINED:
	}
	return parser.Opaque
}

func setKind(k pg.VariableSetKind) parser.Kind {
	switch k {
	case pg.VariableSetKind_VAR_SET_VALUE, pg.VariableSetKind_VAR_SET_DEFAULT, pg.VariableSetKind_VAR_SET_CURRENT,
		pg.VariableSetKind_VAR_SET_MULTI:
		return parser.Set
	case pg.VariableSetKind_VAR_RESET, pg.VariableSetKind_VAR_RESET_ALL:
		return parser.Reset
	case pg.VariableSetKind_VARIABLE_SET_KIND_UNDEFINED:
	}
	return parser.Opaque
}
