package compose

import "github.com/aioproxy/aioproxy/bench/parity/frames"

// heldPieces leave something on the server connection that is the session's alone.
var heldPieces = []kind{
	{"temp table", 5, func(g *gen) []Step {
		return g.run("CREATE TEMP TABLE tt(x int, y text)"+one(g, "", " ON COMMIT DELETE ROWS", " ON COMMIT PRESERVE ROWS"),
			"INSERT INTO tt VALUES (1, 'a'), (2, 'b')", "SELECT * FROM tt ORDER BY x")
	}},
	{"temp in a transaction", 3, func(g *gen) []Step {
		return g.run("BEGIN", "CREATE TEMP TABLE td(x int) ON COMMIT DROP", "INSERT INTO td VALUES (1)", "SELECT * FROM td", g.end(), "SELECT * FROM td")
	}},
	{"temp read", 4, func(g *gen) []Step {
		return g.run(one(g, "SELECT * FROM tt ORDER BY x", "INSERT INTO tt VALUES (3)", "SELECT count(*) FROM pg_temp.tt"))
	}},
	{"temp drop", 4, func(g *gen) []Step {
		return g.run(one(g, "DROP TABLE tt", "DROP TABLE IF EXISTS tt, a_shadow", "DISCARD TEMP", "DROP TABLE a"))
	}},
	{"temp shadows", 3, func(g *gen) []Step {
		return g.run("SELECT count(*) FROM a", "CREATE TEMP TABLE a(id int, v text)", "SELECT count(*) FROM a",
			"SELECT count(*) FROM $S.a", "DROP TABLE pg_temp.a", "SELECT count(*) FROM a")
	}},
	{"temp of other kinds", 2, func(g *gen) []Step {
		return g.run(one(g, "CREATE TEMP VIEW tv AS SELECT 1 AS one", "CREATE TEMP SEQUENCE tsq", "SELECT 1 AS one INTO TEMP tv",
			"CREATE FUNCTION pg_temp.tf() RETURNS int LANGUAGE sql AS 'SELECT 5'", "CREATE TYPE pg_temp.ty AS (a int)"),
			"SELECT one FROM tv", "SELECT pg_temp.tf()", "DISCARD TEMP")
	}},
	{"advisory lock", 4, func(g *gen) []Step {
		return g.run(one(g, "SELECT pg_advisory_lock($I, 1)", "SELECT pg_try_advisory_lock($I, 1)",
			"SELECT pg_advisory_lock_shared($I, 2)", "SELECT f_lock(2)"), g.read(), g.locks())
	}},
	{"advisory unlock", 5, func(g *gen) []Step {
		return g.run(one(g, "SELECT pg_advisory_unlock($I, 1)", "SELECT pg_advisory_unlock_all()", "SELECT pg_advisory_unlock_shared($I, 2)"), g.locks())
	}},
	{"advisory lock of a transaction", 2, func(g *gen) []Step {
		return g.run("BEGIN", "SELECT pg_advisory_xact_lock($I, 3)", g.locks(), g.end(), g.locks())
	}},
	{"listen", 3, func(g *gen) []Step {
		return g.run("LISTEN s$I_l", "NOTIFY s$I_l, 'hello'", "SELECT pg_notify('s$I_l', 'again')", g.channels())
	}},
	{"listen in a transaction", 2, func(g *gen) []Step {
		return g.run("BEGIN", "LISTEN s$I_m", "NOTIFY s$I_m", g.channels(), g.end(), "NOTIFY s$I_m, 'after'", g.channels())
	}},
	{"unlisten", 4, func(g *gen) []Step {
		return g.run(one(g, "UNLISTEN s$I_l", "UNLISTEN *", "UNLISTEN s$I_m"), "NOTIFY s$I_l, 'late'", g.channels())
	}},
	{"sql prepare", 4, func(g *gen) []Step {
		return g.run("PREPARE ps1(int) AS SELECT id, v FROM a WHERE id = $1", "EXECUTE ps1(2)", g.read(), "EXECUTE ps1(3)",
			"SELECT count(*) FROM pg_prepared_statements WHERE from_sql")
	}},
	{"sql deallocate", 4, func(g *gen) []Step { return g.run("DEALLOCATE ps1", "EXECUTE ps1(1)") }},
	{"cursor", 4, func(g *gen) []Step {
		return g.run("BEGIN", "DECLARE c1 "+one(g, "", "SCROLL ", "BINARY ", "NO SCROLL ")+"CURSOR FOR SELECT id FROM big ORDER BY id",
			"FETCH 3 FROM c1", one(g, "FETCH BACKWARD 1 FROM c1", "MOVE 5 IN c1", "FETCH ALL FROM c1"),
			g.cursors(), one(g, "CLOSE c1", "FETCH 1 FROM c1"), g.end(), "FETCH 1 FROM c1")
	}},
	{"cursor with hold", 4, func(g *gen) []Step {
		return g.run("DECLARE ch CURSOR WITH HOLD FOR SELECT id FROM a ORDER BY id", "FETCH 1 FROM ch", g.read(), g.cursors())
	}},
	{"cursor read", 3, func(g *gen) []Step {
		return g.run(one(g, "FETCH 2 FROM ch", "FETCH ALL FROM ch", "MOVE 1 IN ch"), g.cursors())
	}},
	{"cursor close", 4, func(g *gen) []Step { return g.run(one(g, "CLOSE ch", "CLOSE ALL"), "FETCH 1 FROM ch", g.cursors()) }},
	{"cursor update", 1, func(g *gen) []Step {
		return g.run("BEGIN", "DECLARE cu CURSOR FOR SELECT * FROM a ORDER BY id FOR UPDATE", "FETCH 1 FROM cu", "UPDATE a SET n = 0 WHERE CURRENT OF cu", g.end())
	}},
	{"cursor by protocol", 2, func(g *gen) []Step {
		return append(append(g.queries("BEGIN; DECLARE c2 CURSOR FOR SELECT id FROM big ORDER BY id"), send(frames.C("Describe", "P",
			"c2"), frames.C("Execute", "c2", "2"), syncMessage)), g.queries("CLOSE c2", g.end())...)
	}},
	{"seed", 3, func(g *gen) []Step {
		return g.run(one(g, "SELECT setseed(0.5)", "SELECT f_seed(0.25)", "SET seed = 0.75"), "SELECT random()", g.read(), "SELECT random() < 2")
	}},
	{"discard", 4, func(g *gen) []Step {
		what := one(g, "PLANS", "TEMP", "SEQUENCES", "ALL", "ALL")
		return append(g.run("DISCARD "+what), g.queries("SET search_path = $S", g.state())...)
	}},
	{"large object", 2, func(g *gen) []Step {
		return g.run("SELECT lo_create(9$I1)", "BEGIN", "SELECT lo_open(9$I1, 131072 | 262144)", "SELECT lowrite(0, '\\x0102030405')",
			"SELECT lo_lseek(0, 1, 0)", "SELECT loread(0, 3)", g.end(), "SELECT lo_get(9$I1)", "SELECT lo_unlink(9$I1)", "SELECT lo_unlink(9$I1)")
	}},
	{"load", 1, func(g *gen) []Step { return g.run("LOAD 'plpgsql'", "SELECT 'loaded'") }},
}

func (g *gen) locks() string {
	return "SELECT classid, objid, mode, granted, count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() GROUP BY 1, 2, 3, 4 ORDER BY 2, 3"
}

func (g *gen) cursors() string {
	return "SELECT name, is_holdable, is_binary, is_scrollable FROM pg_cursors WHERE name <> '' ORDER BY name"
}

func (g *gen) channels() string { return "SELECT * FROM pg_listening_channels() ORDER BY 1" }

// state is most of what a session can have, in one statement.
func (g *gen) state() string {
	return "SELECT (SELECT count(*) FROM pg_cursors WHERE is_holdable), (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), " +
		"(SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), " +
		"(SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()), current_user, session_user"
}

// hiddenPieces set state out of the sight of whoever reads the text.
var hiddenPieces = []kind{
	{"function sets", 5, func(g *gen) []Step {
		s := g.setting()
		return g.run("SELECT f_set("+literal(s.name)+", "+literal(one(g, s.values...))+", "+one(g, "true", "false", "false")+")", show(s.name), g.read(), show(s.name))
	}},
	{"function sets in a transaction", 3, func(g *gen) []Step {
		return g.run("BEGIN", "SELECT f_set('work_mem', '8MB', false)", "SELECT f_set('my.app', 'fn', false)", "SHOW work_mem", g.end(), "SHOW work_mem", "SELECT c FROM vset")
	}},
	{"function sets path", 2, func(g *gen) []Step {
		return g.run("SELECT f_set('search_path', 'pg_catalog', false)", "SELECT count(*) FROM a", "SET search_path = $S", "SELECT count(*) FROM a")
	}},
	{"trigger sets", 3, func(g *gen) []Step {
		return g.run("INSERT INTO b(id, w) VALUES (1, 'trig')", "SHOW work_mem", "SELECT nullif(current_setting('my.trig', true), '')", "RESET work_mem")
	}},
	{"do sets", 3, func(g *gen) []Step {
		return g.run("DO $$ BEGIN PERFORM set_config('"+one(g, "my.app", "work_mem", "TimeZone")+"', '"+one(g, "5",
			"8")+"', false); END $$", "SHOW work_mem", "SELECT c FROM vset", "SHOW TimeZone", "RESET TimeZone")
	}},
	{"do sets role", 2, func(g *gen) []Step {
		return g.run("DO $$ BEGIN SET ROLE cr$I; END $$", "SELECT current_user", "RESET ROLE")
	}},
	{"do makes temp", 2, func(g *gen) []Step {
		return g.run(one(g, "DO $$ BEGIN CREATE TEMP TABLE tt_f(a int); END $$", "SELECT f_temp()"), "SELECT * FROM tt_f", g.read(), "SELECT * FROM tt_f", "DROP TABLE tt_f")
	}},
	{"do in many ways", 2, func(g *gen) []Step {
		return g.run("DO $$ BEGIN " + one(g, "PERFORM 1/0", "INSERT INTO log(what) VALUES ('do'); COMMIT", "RAISE NOTICE 'n'",
			"SET LOCAL work_mem = '9MB'", "EXECUTE 'SET work_mem = ''9MB'''", "PERFORM pg_advisory_lock($I, 9)") + "; END $$")
	}},
	{"function listens", 2, func(g *gen) []Step {
		return g.run("SELECT f_listen()", "NOTIFY s$I_f, 'heard'", g.channels(), "UNLISTEN *")
	}},
	{"function prepares", 2, func(g *gen) []Step {
		return g.run("SELECT f_prepare()", "EXECUTE pf", g.read(), "EXECUTE pf", "DEALLOCATE pf")
	}},
	{"function opens", 2, func(g *gen) []Step {
		return g.run("BEGIN", "SELECT f_cursor('fc')", "FETCH 2 FROM fc", g.end())
	}},
	{"procedure", 4, func(g *gen) []Step {
		return g.run(one(g, "CALL p_commit(3)", "CALL p_set('proc')", "CALL p_out(4)"), "SELECT count(*) FROM log", "SELECT c FROM vset")
	}},
	{"procedure in a transaction", 2, func(g *gen) []Step {
		return g.run("BEGIN", one(g, "CALL p_commit(2)", "CALL p_out(1)"), "COMMIT", "SELECT count(*) FROM log")
	}},
	{"function writes", 4, func(g *gen) []Step {
		return g.run("SELECT count(*) FROM log", "SELECT f_write('hidden')", "SELECT count(*) FROM log")
	}},
	{"function made", 2, func(g *gen) []Step {
		return g.run("CREATE OR REPLACE FUNCTION f_made() RETURNS text LANGUAGE sql AS $$ SELECT set_config('my.app', 'made', false) $$",
			"SELECT f_made()", "SELECT c FROM vset", "DROP FUNCTION f_made")
	}},
}
