package compose

import (
	"strconv"
	"strings"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

var queryPieces = []kind{
	{"read", 14, func(g *gen) []Step { return g.run(g.read()) }},
	{"read twice", 8, func(g *gen) []Step { r := g.read(); return append(g.run(r), g.run(r)...) }},
	{"write and read", 14, func(g *gen) []Step { r := g.read(); return append(append(g.run(r), g.run(g.work())...), g.run(r)...) }},
	{"work", 8, func(g *gen) []Step { return g.run(g.work(), g.work()) }},
	{"empty", 2, func(g *gen) []Step { return g.run(one(g, "", ";", " -- nothing", "/* */", ";;SELECT 1;;")) }},
	{"several with an error", 3, func(g *gen) []Step {
		return g.queries(g.work() + "; " + one(g, g.wrong(), g.work()) + "; " + g.read())
	}},
	{"several with a transaction", 3, func(g *gen) []Step {
		return g.queries(g.work() + "; BEGIN; " + g.work() + "; " + one(g, "COMMIT; "+g.read(), "ROLLBACK; "+g.read(), g.wrong()))
	}},
	{"notices", 4, func(g *gen) []Step {
		return g.run("SELECT f_notice('" + one(g, "debug", "log", "info", "notice", "warning", "error") + "', 'told')")
	}},
	{"notices between rows", 2, func(g *gen) []Step { return g.run("SELECT f_srf(3)", "SELECT * FROM f_srf(2)") }},
	{"notices of commands", 2, func(g *gen) []Step {
		return g.run(one(g, "DROP TABLE IF EXISTS none", "CREATE TABLE IF NOT EXISTS a(x int)", "ROLLBACK", "COMMIT",
			"SET LOCAL work_mem = 100", "DO $$ BEGIN RAISE WARNING 'do'; END $$"))
	}},
	{"long text", 1, func(g *gen) []Step {
		return g.run("SELECT length('" + strings.Repeat("x", 1000+g.IntN(300_000)) + "'), 'after'")
	}},
	{"long result", 1, func(g *gen) []Step {
		return g.run("SELECT repeat(pad, 40) FROM big ORDER BY id", "SELECT repeat('y', "+strconv.Itoa(1+g.IntN(200_000))+")")
	}},
	{"ddl", 3, func(g *gen) []Step {
		return g.run("CREATE TABLE made(a int, b text)", "INSERT INTO made VALUES (1, 'm')", "SELECT * FROM made",
			one(g, "ALTER TABLE made ADD COLUMN c int DEFAULT 7", "ALTER TABLE made ALTER a TYPE bigint",
				"DROP TABLE made; CREATE TABLE made(z text)"), "SELECT * FROM made", "DROP TABLE made")
	}},
	{"index", 1, func(g *gen) []Step {
		return g.run("CREATE INDEX made_i ON big(g)", "SELECT count(*) FROM big WHERE g = 3", "DROP INDEX made_i")
	}},
	{"maintenance", 1, func(g *gen) []Step {
		return g.run(one(g, "VACUUM a", "ANALYZE big", "CLUSTER big USING big_pkey", "REINDEX TABLE a"))
	}},
	{"explain", 1, func(g *gen) []Step {
		return g.run("EXPLAIN (COSTS OFF) SELECT 1", "EXPLAIN (COSTS OFF) INSERT INTO log(what) VALUES ('x')")
	}},
	{"sequence", 3, func(g *gen) []Step {
		return g.run("SELECT nextval('sq')", "SELECT f_next()", "SELECT setval('sq', 40)", "SELECT last_value FROM sq")
	}},
	{"currval", 3, func(g *gen) []Step {
		return g.run("SELECT nextval('sq')", g.read(), one(g, "SELECT currval('sq')", "SELECT lastval()",
			"INSERT INTO log(what) VALUES ('l') RETURNING lastval() > 0", "SELECT currval('log_id_seq')"))
	}},
	{"currval alone", 1, func(g *gen) []Step { return g.run(one(g, "SELECT currval('sq')", "SELECT lastval()")) }},
	{"sequence and currval in one", 2, func(g *gen) []Step {
		return g.run("SELECT nextval('sq') = currval('sq'), lastval() = currval('sq')", "DISCARD SEQUENCES", "SELECT lastval()")
	}},
	{"pid", 2, func(g *gen) []Step {
		return g.run("SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND datname = current_database()")
	}},
	{"functions by number", 2, func(g *gen) []Step {
		// version, current_user, none
		return []Step{send(frames.C("Function", one(g, "89", "745", "99999999")))}
	}},
}

// read is a statement that only reads: it may go to a replica or come out of the cache.
func (g *gen) read() string {
	return one(g,
		"SELECT * FROM a ORDER BY id",
		"SELECT count(*) FROM a",
		"SELECT g, count(*), sum(id) FROM big GROUP BY g ORDER BY g",
		"SELECT * FROM kinds ORDER BY id",
		"SELECT * FROM va ORDER BY id",
		"SELECT c FROM vset",
		"SELECT * FROM $S.a WHERE id = 3",
		"SELECT * FROM parted ORDER BY id",
		"SELECT * FROM mva",
		"SELECT what FROM log ORDER BY id",
		"SELECT id, at::text, d::text, iv::text FROM kinds ORDER BY id",
		"SELECT * FROM b ORDER BY id, w",
		"SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('$S')::oid",
		"SELECT relname FROM pg_class WHERE relnamespace = '$S'::regnamespace AND relkind = 'r' ORDER BY 1",
		"SELECT current_schemas(true)::text = current_schemas(true)::text, regexp_replace(current_schema, '[0-9]*$', '')",
		"SELECT current_user, session_user, current_setting('work_mem')",
		"SELECT max(length(pad)) FROM big",
		"SELECT 'a'::regclass::text, 'text'::regtype",
		"VALUES (1, 'x'), (2, NULL)",
		"SELECT f_path()",
		"SELECT pg_is_in_recovery(), current_setting('transaction_read_only')",
	)
}
