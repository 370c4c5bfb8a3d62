package main

// regressPart is what continuous integration runs of the regression suite: the files that are about sessions, the ones about
// how reads are classified, and what those need before them.
var regressPart = []string{
	"test_setup", "tablespace", "boolean", "int4", "strings", "mvcc", "copy", "copyselect", "copydml", "insert", "create_function_c",
	"create_misc", "create_procedure", "create_type", "create_schema", "create_index", "create_view", "create_aggregate",
	"create_function_sql", "triggers", "errors", "select_into", "subselect", "aggregates", "transactions", "portals", "namespace",
	"prepared_xacts", "privileges", "matview", "lock", "rowsecurity", "password", "async", "sysviews", "create_role", "psql",
	"portals_p2", "guc", "combocid", "tsearch", "window", "advisory_lock", "plancache", "plpgsql", "copy2", "temp", "rangefuncs",
	"prepare", "truncate", "sequence", "returning", "largeobject", "stats",
}

// regressAgain are the files whose reads run several times more at the end of the suite, one after the other with no change of
// the schema in between: so they meet the replica and the cache, as the files themselves, which create and drop, hardly do.
var regressAgain = []string{
	"select", "select_distinct", "select_distinct_on", "select_having", "case", "join", "subselect", "aggregates", "groupingsets",
	"window", "limit", "tsearch", "geometry", "arrays", "numeric", "jsonb", "json", "rangetypes", "tidscan", "incremental_sort",
	"oidjoins",
}

// isolationPart is the same of the isolation suite.
var isolationPart = []string{
	"read-only-anomaly", "read-write-unique", "simple-write-skew", "receipt-report", "two-ids", "multiple-row-versions",
	"deadlock-simple", "deadlock-hard", "deadlock-soft", "fk-contention", "eval-plan-qual", "inherit-temp", "temp-schema-cleanup",
	"insert-conflict-do-nothing", "insert-conflict-specconflict", "merge-update", "delete-abort-savept", "lock-committed-update",
	"update-locked-tuple", "tuplelock-conflict", "nowait", "skip-locked", "alter-table-1", "sequence-ddl", "async-notify",
	"serializable-parallel",
}
