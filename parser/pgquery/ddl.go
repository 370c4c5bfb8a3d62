package pgquery

import pg "github.com/pganalyze/pg_query_go/v5"

// isDDL knows the statements that change the schema or what is global to a database or cluster.
func isDDL(n *pg.Node) bool {
	switch n.GetNode().(type) {
	case
		*pg.Node_AlterCollationStmt, *pg.Node_AlterDatabaseRefreshCollStmt, *pg.Node_AlterDatabaseSetStmt,
		*pg.Node_AlterDatabaseStmt, *pg.Node_AlterDefaultPrivilegesStmt, *pg.Node_AlterDomainStmt,
		*pg.Node_AlterEnumStmt, *pg.Node_AlterEventTrigStmt, *pg.Node_AlterExtensionContentsStmt,
		*pg.Node_AlterExtensionStmt, *pg.Node_AlterFdwStmt, *pg.Node_AlterForeignServerStmt,
		*pg.Node_AlterFunctionStmt, *pg.Node_AlterObjectDependsStmt, *pg.Node_AlterObjectSchemaStmt,
		*pg.Node_AlterOpFamilyStmt, *pg.Node_AlterOperatorStmt, *pg.Node_AlterOwnerStmt,
		*pg.Node_AlterPolicyStmt, *pg.Node_AlterPublicationStmt, *pg.Node_AlterRoleSetStmt,
		*pg.Node_AlterRoleStmt, *pg.Node_AlterSeqStmt, *pg.Node_AlterStatsStmt, *pg.Node_AlterSubscriptionStmt,
		*pg.Node_AlterSystemStmt, *pg.Node_AlterTableMoveAllStmt, *pg.Node_AlterTableSpaceOptionsStmt,
		*pg.Node_AlterTableStmt, *pg.Node_AlterTsconfigurationStmt, *pg.Node_AlterTsdictionaryStmt,
		*pg.Node_AlterTypeStmt, *pg.Node_AlterUserMappingStmt, *pg.Node_CommentStmt, *pg.Node_CompositeTypeStmt,
		*pg.Node_CreateAmStmt, *pg.Node_CreateCastStmt, *pg.Node_CreateConversionStmt,
		*pg.Node_CreateDomainStmt, *pg.Node_CreateEnumStmt, *pg.Node_CreateEventTrigStmt,
		*pg.Node_CreateExtensionStmt, *pg.Node_CreateFdwStmt, *pg.Node_CreateForeignServerStmt,
		*pg.Node_CreateForeignTableStmt, *pg.Node_CreateFunctionStmt, *pg.Node_CreateOpClassStmt,
		*pg.Node_CreateOpFamilyStmt, *pg.Node_CreatePlangStmt, *pg.Node_CreatePolicyStmt,
		*pg.Node_CreatePublicationStmt, *pg.Node_CreateRangeStmt, *pg.Node_CreateRoleStmt,
		*pg.Node_CreateSchemaStmt, *pg.Node_CreateSeqStmt, *pg.Node_CreateStatsStmt, *pg.Node_CreateStmt,
		*pg.Node_CreateSubscriptionStmt, *pg.Node_CreateTableAsStmt, *pg.Node_CreateTableSpaceStmt,
		*pg.Node_CreateTransformStmt, *pg.Node_CreateTrigStmt, *pg.Node_CreateUserMappingStmt,
		*pg.Node_CreatedbStmt, *pg.Node_DefineStmt, *pg.Node_DropOwnedStmt, *pg.Node_DropRoleStmt,
		*pg.Node_DropStmt, *pg.Node_DropSubscriptionStmt, *pg.Node_DropTableSpaceStmt,
		*pg.Node_DropUserMappingStmt, *pg.Node_DropdbStmt, *pg.Node_GrantRoleStmt, *pg.Node_GrantStmt,
		*pg.Node_ImportForeignSchemaStmt, *pg.Node_IndexStmt, *pg.Node_ReassignOwnedStmt, *pg.Node_RenameStmt,
		*pg.Node_RuleStmt, *pg.Node_SecLabelStmt, *pg.Node_ViewStmt:
		return true
	}
	return false
}
