package parser

var kindNames = [...]string{
	Opaque: "opaque", Empty: "empty", Select: "select", Insert: "insert", Update: "update", Delete: "delete",
	Merge: "merge", CopyFrom: "copy_from", CopyTo: "copy_to", Begin: "begin", Commit: "commit", Rollback: "rollback",
	Savepoint: "savepoint", ReleaseSavepoint: "release_savepoint", RollbackToSavepoint: "rollback_to_savepoint",
	PrepareTransaction: "prepare_transaction", CommitPrepared: "commit_prepared", RollbackPrepared: "rollback_prepared",
	Set: "set", Reset: "reset", Show: "show", SetConstraints: "set_constraints", Explain: "explain", Prepare: "prepare",
	Execute: "execute", Deallocate: "deallocate", Discard: "discard", Declare: "declare", Fetch: "fetch",
	CloseCursor: "close_cursor", Listen: "listen", Unlisten: "unlisten", Notify: "notify", Lock: "lock", Load: "load",
	Do: "do", Call: "call", DDL: "ddl", Truncate: "truncate", Maintenance: "maintenance",
}

// String returns the kind in snake_case; it is fit for a metric label.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Opaque]
}

// String returns "unused", "condition" or "output".
func (t TimeUse) String() string {
	switch t {
	case TimeUnused:
		return "unused"
	case TimeInCondition:
		return "condition"
	case TimeInOutput:
		return "output"
	}
	return "output"
}

// String returns the name as SQL would have it without quoting; it is for people, not for servers.
func (n Name) String() string {
	if n.Schema == "" {
		return n.Name
	}
	return n.Schema + "." + n.Name
}

// Compare orders names by schema and name.
func (n Name) Compare(o Name) int {
	switch {
	case n == o:
		return 0
	case n.Schema < o.Schema, n.Schema == o.Schema && n.Name < o.Name:
		return -1
	}
	return 1
}
