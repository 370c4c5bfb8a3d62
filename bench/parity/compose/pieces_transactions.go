package compose

var transactionPieces = []kind{
	{"begin", 6, func(g *gen) []Step { return g.run(g.begin()) }},
	{"end", 9, func(g *gen) []Step { return g.run(g.end()) }},
	{"transaction", 8, func(g *gen) []Step { return g.run(g.begin(), g.work(), g.work(), g.end()) }},
	{"transaction with settings", 6, func(g *gen) []Step {
		return g.run("BEGIN", g.set(), g.work(), g.set(), g.end(), g.show())
	}},
	{"savepoints", 6, func(g *gen) []Step {
		return g.run("BEGIN", g.set(), "SAVEPOINT x", g.set(), g.work(), one(g, "ROLLBACK TO x", "RELEASE x", "ROLLBACK TO SAVEPOINT nope"), g.show(), g.end(), g.show())
	}},
	{"savepoint", 4, func(g *gen) []Step { return g.run("SAVEPOINT " + one(g, "x", "y")) }},
	{"back to a savepoint", 4, func(g *gen) []Step { return g.run(one(g, "ROLLBACK TO x", "RELEASE x", "ROLLBACK TO y")) }},
	{"error in a transaction", 5, func(g *gen) []Step {
		return g.run(g.begin(), g.work(), g.wrong(), g.work(), g.end())
	}},
	{"error", 5, func(g *gen) []Step { return g.run(g.wrong()) }},
	{"modes", 3, func(g *gen) []Step {
		return g.run("SET TRANSACTION "+one(g, "READ ONLY", "ISOLATION LEVEL SERIALIZABLE",
			"ISOLATION LEVEL REPEATABLE READ, READ WRITE, DEFERRABLE", "SNAPSHOT '0'"), "SHOW transaction_isolation", "SHOW transaction_read_only")
	}},
	{"chain", 3, func(g *gen) []Step {
		return g.run("BEGIN ISOLATION LEVEL "+one(g, "SERIALIZABLE", "REPEATABLE READ"), g.work(), one(g, "COMMIT",
			"ROLLBACK")+" AND CHAIN", "SHOW transaction_isolation", g.work(), "COMMIT")
	}},
	{"two-phase", 4, func(g *gen) []Step {
		return append(g.run("BEGIN", "INSERT INTO a VALUES (60, '2pc') ON CONFLICT DO NOTHING", "PREPARE TRANSACTION 'g$I'", "SELECT count(*) FROM a",
			one(g, "COMMIT", "ROLLBACK")+" PREPARED 'g$I'", "SELECT count(*) FROM a", "DELETE FROM a WHERE id = 60"),
			g.queries("ROLLBACK", "ROLLBACK PREPARED 'g$I'")...) // it would be in its own session's way
	}},
	{"two-phase with state", 1, func(g *gen) []Step {
		return append(g.run("BEGIN", one(g, "SET work_mem = '7MB'", "CREATE TEMP TABLE tp(a int)", "LISTEN s$I_l",
			"SELECT pg_advisory_lock($I, 3)", "DECLARE ch CURSOR WITH HOLD FOR SELECT 1"),
			"PREPARE TRANSACTION 'h$I'", "SHOW work_mem", "ROLLBACK PREPARED 'h$I'", "SHOW work_mem", "SELECT pg_advisory_unlock_all()"),
			g.queries("ROLLBACK", "ROLLBACK PREPARED 'h$I'")...)
	}},
	{"deferred constraint", 2, func(g *gen) []Step {
		return g.run("BEGIN", "SET CONSTRAINTS ALL DEFERRED", "INSERT INTO b(id, w) VALUES (999, 'w')", one(g, "COMMIT", "SET CONSTRAINTS ALL IMMEDIATE", "ROLLBACK"), "ROLLBACK")
	}},
	{"timeout", 1, func(g *gen) []Step {
		return g.queries("BEGIN; SET LOCAL statement_timeout = '20ms'", "SELECT pg_sleep(5)", "ROLLBACK", "SHOW statement_timeout")
	}},
	{"idle in transaction", 1, func(g *gen) []Step {
		return append(g.queries("ROLLBACK", "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10ms'; SELECT 1"), until("#").after("Z"))
	}},
	{"snapshot", 1, func(g *gen) []Step {
		return g.run("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT length(pg_export_snapshot()) > 5", "LOCK TABLE a IN SHARE MODE", "SELECT count(*) FROM a", "COMMIT")
	}},
}

func (g *gen) begin() string {
	return one(g, "BEGIN", "BEGIN", "START TRANSACTION", "BEGIN READ ONLY", "BEGIN ISOLATION LEVEL SERIALIZABLE",
		"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "BEGIN TRANSACTION READ WRITE", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE", "BEGIN WORK")
}

func (g *gen) end() string {
	return one(g, "COMMIT", "COMMIT", "ROLLBACK", "END", "ABORT", "COMMIT AND CHAIN; ROLLBACK", "COMMIT WORK")
}

// work is a statement that does something to the session's own tables.
func (g *gen) work() string {
	return one(g,
		"SELECT * FROM a ORDER BY id",
		"SELECT count(*), sum(g) FROM big",
		"SELECT id, v FROM va ORDER BY 1",
		"INSERT INTO a VALUES (10, 'ten', 1) ON CONFLICT (id) DO UPDATE SET n = a.n + 1 RETURNING *",
		"UPDATE a SET v = v || '+' WHERE id = 2 RETURNING v",
		"DELETE FROM a WHERE id = 10",
		"INSERT INTO log(what) VALUES ('w') RETURNING what",
		"SELECT count(*) FROM log",
		"INSERT INTO b(id, w) VALUES (1, 'w')",
		"SELECT a.id, b.w FROM a LEFT JOIN b USING (id) ORDER BY 1, 2 LIMIT 3",
		"WITH d AS (DELETE FROM log RETURNING what) SELECT count(*) FROM d",
		"SELECT * FROM a WHERE id = 1 FOR UPDATE",
		"UPDATE parted SET k = 3 - k RETURNING tableoid::regclass::text, *",
		"SELECT * FROM parted ORDER BY 1",
		"TRUNCATE log",
		"SELECT f_count(), f_double(4)",
		"SELECT f_write('f')",
		"REFRESH MATERIALIZED VIEW mva",
		"SELECT * FROM mva",
		"SELECT now() = now(), current_date = current_date",
		"SELECT c FROM vset",
		"LOCK TABLE log",
	)
}

func (g *gen) wrong() string {
	return one(g, "SELECT 1/0", "SELEC 1", "SELECT * FROM nowhere", "INSERT INTO a VALUES (1)", "SELECT 'x'::int", "SELECT no_function(1)",
		"INSERT INTO b(id, w) VALUES (1, 'bad')", "SELECT f_notice('error', 'wrong')", "SELECT g FROM big WHERE id = 'a'", "VACUUM a", "COMMIT PREPARED 'none'",
		"SELECT 1 / (id - 3) FROM a ORDER BY id", "CREATE TABLE a(x int)", "SET nothing = 1", "FETCH 1 FROM nocursor", "EXECUTE nothing", "ROLLBACK TO nothing", "SELECT $1")
}
