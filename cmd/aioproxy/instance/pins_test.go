package instance_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// pinsSchema has functions that do out of sight what pins.
const pinsSchema = `
CREATE TABLE people (id serial PRIMARY KEY, name text);
CREATE FUNCTION make_temp() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE hidden (id int); RETURN 1; END $$;
CREATE FUNCTION drop_temp() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE hidden; RETURN 1; END $$;
CREATE FUNCTION take_lock(k int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(k); RETURN 1; END $$;
CREATE FUNCTION give_lock(k int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_unlock(k); RETURN 1; END $$;
CREATE FUNCTION hold_cursor() RETURNS int LANGUAGE sql AS $$ DECLARE hidden CURSOR WITH HOLD FOR SELECT 1; SELECT 1 $$;
CREATE FUNCTION listen_to_c() RETURNS int LANGUAGE plpgsql AS $$ BEGIN LISTEN c; RETURN 1; END $$;
CREATE FUNCTION run(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN 1; END $$;
CREATE TABLE watched (id int);
CREATE FUNCTION on_watched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(9); RETURN new; END $$;
CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION on_watched();
CREATE FUNCTION remember(k text, v text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config(k, v, false); RETURN 1; END $$;`

// pinCase is what makes a session keep its server connection, and what ends that.
type pinCase struct {
	reason string
	begin  []string
	still  []string   // which does not end it
	end    [][]string // each of them ends it
}

func pinCases() []pinCase {
	return []pinCase{
		{"temporary_table", list("CREATE TEMP TABLE t (id int)"), list("INSERT INTO t VALUES (1)", "TRUNCATE t", "CREATE TEMP VIEW v AS SELECT 1", "DROP VIEW v"), [][]string{
			list("DROP TABLE t"), list("DISCARD TEMP"), list("BEGIN", "DROP TABLE t", "COMMIT"), list("DO 'BEGIN DROP TABLE t; END'"),
		}},
		{"temporary_table", list("SELECT 1 AS a INTO TEMP t"), list("BEGIN", "DROP TABLE t", "ROLLBACK"), [][]string{list("DROP TABLE t")}},
		{"temporary_table", list("SELECT make_temp()"), nil, [][]string{list("SELECT drop_temp()"), list("DROP TABLE hidden")}},
		{"temporary_table", list("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"), nil, [][]string{list("DROP FUNCTION pg_temp.f()")}},
		{"temporary_table", list("CREATE TEMP TABLE t (id int) ON COMMIT DELETE ROWS"), nil, [][]string{list("DROP TABLE t")}},
		{"advisory_lock", list("SELECT pg_advisory_lock(1)"), list("SELECT pg_try_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"), [][]string{
			list("SELECT pg_advisory_unlock(1)"), list("SELECT pg_advisory_unlock_all()"), list("SELECT give_lock(1)"),
			list("BEGIN", "SELECT pg_advisory_unlock(1)", "ROLLBACK"),
		}},
		{"advisory_lock", list("BEGIN", "SELECT pg_advisory_lock_shared(2)", "ROLLBACK"), list("SELECT pg_advisory_unlock_shared(3)"), [][]string{
			list("SELECT pg_advisory_unlock_shared(2)"),
		}},
		{"advisory_lock", list("SELECT take_lock(3), take_lock(3)"), list("SELECT give_lock(3)"), [][]string{list("SELECT give_lock(3)"), list("SELECT pg_advisory_unlock(3)")}},
		{"advisory_lock", list("INSERT INTO watched VALUES (1)"), nil, [][]string{list("SELECT pg_advisory_unlock(9)")}},
		{"with_hold_cursor", list("BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 9)", "COMMIT"), list("FETCH 2 FROM c"), [][]string{
			list("CLOSE c"), list("CLOSE ALL"), list("BEGIN", "CLOSE c", "COMMIT"),
		}},
		{"with_hold_cursor", list("SELECT hold_cursor()"), nil, [][]string{list("CLOSE hidden")}},
		{"listen", list("LISTEN a", "LISTEN b"), list("UNLISTEN a", "NOTIFY b"), [][]string{list("UNLISTEN b"), list("UNLISTEN *")}},
		{"listen", list("SELECT listen_to_c()"), list("BEGIN", "UNLISTEN c", "ROLLBACK"), [][]string{list("BEGIN", "UNLISTEN c", "COMMIT")}},
		{"sql_prepare", list("PREPARE p AS SELECT 1"), list("EXECUTE p", "BEGIN", "EXECUTE p", "ROLLBACK"), [][]string{
			list("DEALLOCATE p"), list("DEALLOCATE ALL"), list("BEGIN", "DEALLOCATE p", "ROLLBACK"),
		}},
		{"sequence", list("SELECT nextval('people_id_seq')", "SELECT currval('people_id_seq')"), list("SELECT lastval()"), [][]string{list("DISCARD SEQUENCES")}},
		{"backend_pid", list("SELECT pg_backend_pid()"), list("SELECT pid FROM pg_stat_activity WHERE pid = pg_backend_pid()"), nil},
		{"idle_session_timeout", list("SET idle_session_timeout = '1h'"), list("SELECT 1"), [][]string{
			list("RESET idle_session_timeout"), list("SET idle_session_timeout = 0"), list("RESET ALL"),
		}},
		{"unseen_state", list("SELECT remember('my.' || 'key', 'v')"), list("RESET ALL"), nil},
		{"unseen_state", list("SELECT run('SELECT 1')"), nil, nil}, // nobody knows what it ran
		{"setseed", list("SELECT setseed(0.5)"), list("SELECT random()"), nil},
		{"load", list("LOAD 'auto_explain'"), list("SELECT 1"), nil},
	}
}

func list(statements ...string) []string { return statements }

// pinBench is an aioproxy with a console, and what is looked at to tell whether a session is pinned.
type pinBench struct {
	t        *testing.T
	f        *front
	console  *pgx.Conn
	database string
}

func newPinBench(t *testing.T, database string, change change) *pinBench {
	t.Helper()
	sample(t, bed, database, pinsSchema)
	f := start(t, bed, join(poolOf(4), onConsole, change))
	return &pinBench{t: t, f: f, console: connect(t, f.dsn("aioproxy")+" default_query_exec_mode=simple_protocol"), database: database}
}

func onConsole(cfg *configs.Config) { cfg.Proxy.AdminUsers = []string{"postgres"} }

// connect opens a session for which names are known and which has a name of its own on the console.
func (b *pinBench) connect(name string) *pgx.Conn {
	b.t.Helper()
	conn := connect(b.t, b.f.dsn(b.database)+" application_name="+name)
	known(b.t, conn, "SELECT name FROM people")
	return conn
}

// shown are the reasons of a session in SHOW PINS.
func (b *pinBench) shown(application string) (reasons []string, row map[string]any) {
	b.t.Helper()
	rows, err := b.console.Query(b.t.Context(), "SHOW PINS")
	require.NoError(b.t, err)
	pins, err := pgx.CollectRows(rows, pgx.RowToMap)
	require.NoError(b.t, err)
	for _, p := range pins {
		if p["application_name"] == application {
			reasons, row = append(reasons, p["reason"].(string)), p
		}
	}
	slices.Sort(reasons)
	return reasons, row
}

var pinLine = regexp.MustCompile(`(\w+)\{reason="(\w+)"\} (\S+)`)

// metric is a metric by reason.
func (b *pinBench) metric(name string) map[string]float64 {
	b.t.Helper()
	values := map[string]float64{}
	for _, m := range pinLine.FindAllStringSubmatch(metricLines(b.t, b.f, name+"{"), -1) {
		n, err := strconv.ParseFloat(m[3], 64)
		require.NoError(b.t, err)
		values[m[2]] = n
	}
	return values
}

const pinnedNow, pinsBegun = "aioproxy_proxy_pinned_sessions", "aioproxy_proxy_pins_total"

// expect requires that the metric, SHOW PINS and SHOW aioproxy.last agree that the one busy session is pinned for these reasons.
func (b *pinBench) expect(conn *pgx.Conn, application, when string, reasons ...string) {
	b.t.Helper()
	slices.Sort(reasons)
	in := strings.Split(lastOf(b.t, conn).pin, ", ")
	if in[0] == "" {
		in = nil
	}
	slices.Sort(in)
	require.Equal(b.t, reasons, in, "SHOW aioproxy.last: %s", when)
	shown, row := b.shown(application)
	require.Equal(b.t, reasons, shown, "SHOW PINS: %s", when)
	for reason, n := range b.metric(pinnedNow) {
		want := 0.0
		if slices.Contains(reasons, reason) {
			want = 1
		}
		require.Equal(b.t, want, n, "%s of %s: %s", pinnedNow, reason, when) //nolint:testifylint // whole numbers
	}
	if len(reasons) > 0 {
		require.Equal(b.t, "postgres", row["user"])
		require.Equal(b.t, b.database, row["database"])
		require.EqualValues(b.t, conn.PgConn().PID(), row["pid"])
		require.Equal(b.t, bed.Primary().Addr(), row["node"])
		require.Equal(b.t, conn.PgConn().Conn().LocalAddr().String(), row["addr"])
		require.Equal(b.t, "idle", row["state"])
	}
}

func TestPinsBeginAndEndWithTheirReason(t *testing.T) {
	b := newPinBench(t, "pins_begin", nil)
	for i, c := range pinCases() {
		for j, end := range append(c.end, list("DISCARD ALL")) {
			name := fmt.Sprintf("%s_%d_%d", c.reason, i, j)
			conn := b.connect(name)
			b.expect(conn, name, "before")
			begun := b.metric(pinsBegun)[c.reason]
			exec(t, conn, c.begin...)
			b.expect(conn, name, fmt.Sprint(c.begin), c.reason)
			require.Equal(t, begun+1, b.metric(pinsBegun)[c.reason]) //nolint:testifylint // whole numbers
			exec(t, conn, "SELECT count(*) FROM people")
			require.Equal(t, "pinned: "+c.reason, lastOf(t, conn).reason)
			exec(t, conn, c.still...)
			b.expect(conn, name, fmt.Sprint(c.still), c.reason)
			exec(t, conn, end...)
			b.expect(conn, name, fmt.Sprint(end))
			require.NoError(t, conn.Close(t.Context()))
		}
	}
}

// What is over with its transaction does not pin.
func TestWhatEndsWithItsTransactionDoesNotPin(t *testing.T) {
	b := newPinBench(t, "pins_brief", nil)
	conn := b.connect("brief")
	before := b.metric(pinsBegun)
	for _, statements := range [][]string{
		{"BEGIN", "CREATE TEMP TABLE t (id int) ON COMMIT DROP", "INSERT INTO t VALUES (1)", "COMMIT"},
		{"BEGIN", "CREATE TEMP TABLE t (id int)", "ROLLBACK"},
		{"BEGIN", "SAVEPOINT s", "CREATE TEMP TABLE t (id int)", "ROLLBACK TO s", "COMMIT"},
		{"CREATE TEMP TABLE t (id int); DROP TABLE t"},
		{"SELECT pg_advisory_xact_lock(1)"},
		{"BEGIN", "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)", "COMMIT"},
		{"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "ROLLBACK"},
		{"BEGIN", "DECLARE c CURSOR FOR SELECT 1", "COMMIT"},
		{"BEGIN", "LISTEN a", "ROLLBACK"},
		{"SET work_mem = '1MB'", "SELECT set_config('my.key', 'v', false)", "RESET ALL"},
		{"BEGIN", "INSERT INTO people (name) VALUES ('x')", "COMMIT"},
		{"DO 'BEGIN NULL; END'"},
	} {
		exec(t, conn, statements...)
		b.expect(conn, "brief", fmt.Sprint(statements))
	}
	require.Equal(t, before, b.metric(pinsBegun))
	_, err := trySimple(t.Context(), conn, "CREATE TEMP TABLE t (id int); SELECT 1/0")
	require.Error(t, err)
	b.expect(conn, "brief", "after an error")
}

// A session has as many reasons as there are, and each ends by itself.
func TestSeveralPins(t *testing.T) {
	b := newPinBench(t, "pins_several", nil)
	conn := b.connect("several")
	exec(t, conn, "SELECT setseed(0.1)", "CREATE TEMP TABLE t (id int)", "SELECT pg_advisory_lock(1)", "LISTEN a")
	b.expect(conn, "several", "all", "setseed", "temporary_table", "advisory_lock", "listen")
	exec(t, conn, "SELECT 1")
	require.Equal(t, "pinned: temporary_table, advisory_lock, listen, setseed", lastOf(t, conn).reason)
	exec(t, conn, "DROP TABLE t")
	b.expect(conn, "several", "no table", "setseed", "advisory_lock", "listen")
	exec(t, conn, "SELECT pg_advisory_unlock_all()")
	b.expect(conn, "several", "no lock", "setseed", "listen")
	exec(t, conn, "UNLISTEN *")
	b.expect(conn, "several", "no channel", "setseed")
	exec(t, conn, "DISCARD ALL")
	b.expect(conn, "several", "nothing")
}

// The metric has every reason from the start, and every reason has a test here or where it says.
func TestEveryPinReasonIsTested(t *testing.T) {
	b := newPinBench(t, "pins_all", nil)
	tested := map[string]bool{
		"replication":     true, // TestPinOfReplication
		"large_statement": true, // TestPinOfALargeStatement
	}
	for _, c := range pinCases() {
		tested[c.reason] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(tested)), slices.Sorted(maps.Keys(b.metric(pinnedNow))))
	require.Equal(t, slices.Sorted(maps.Keys(tested)), slices.Sorted(maps.Keys(b.metric(pinsBegun))))
}

func TestPinOfReplication(t *testing.T) {
	b := newPinBench(t, "pins_replication", nil)
	conn, err := pgconn.Connect(t.Context(), b.f.dsn(b.database)+" replication=database application_name=walker")
	require.NoError(t, err)
	require.Equal(t, 1.0, b.metric(pinnedNow)["replication"]) //nolint:testifylint // whole numbers
	rows, err := b.console.Query(t.Context(), "SHOW PINS")
	require.NoError(t, err)
	pins, err := pgx.CollectRows(rows, pgx.RowToMap)
	require.NoError(t, err)
	require.Len(t, pins, 1)
	require.Equal(t, "replication", pins[0]["reason"])
	require.EqualValues(t, conn.PID(), pins[0]["pid"])
	require.NoError(t, conn.Close(t.Context()))
	until(t, "the pin ends with the connection", func() bool { return b.metric(pinnedNow)["replication"] == 0 })
}

func TestPinOfALargeStatement(t *testing.T) {
	b := newPinBench(t, "pins_large", nil)
	large := "SELECT 1 /* " + strings.Repeat("x", 2<<20) + " */"
	for _, end := range []func(conn *pgx.Conn){
		func(conn *pgx.Conn) { require.NoError(t, conn.PgConn().Deallocate(t.Context(), "large")) },
		func(conn *pgx.Conn) { exec(t, conn, "DEALLOCATE ALL") },
		func(conn *pgx.Conn) { exec(t, conn, "DISCARD ALL") },
	} {
		conn := b.connect("large")
		_, err := conn.PgConn().Prepare(t.Context(), "large", large, nil)
		require.NoError(t, err)
		b.expect(conn, "large", "prepared", "large_statement")
		end(conn)
		exec(t, conn, "SELECT 1")
		b.expect(conn, "large", "gone")
		require.NoError(t, conn.Close(t.Context()))
	}
}

// A connection that a session held is clean when the next one gets it, whatever it was held for.
func TestWhatWasHeldIsGoneWithItsSession(t *testing.T) {
	b := newPinBench(t, "pins_gone", poolOf(1))
	for i, c := range pinCases() {
		for j, leave := range []func(*pgx.Conn){
			func(conn *pgx.Conn) { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) },
			func(conn *pgx.Conn) { require.NoError(t, conn.PgConn().Conn().Close()) }, // without a word
		} {
			conn := b.connect(fmt.Sprintf("gone_%d_%d", i, j))
			exec(t, conn, c.begin...)
			held := serverPID(t, conn)
			leave(conn)
			next := b.connect("next")
			// A server that ends has given up its locks when the next one runs, for the pool has room for one only.
			left, _ := simple(t, next, leftovers)
			require.Equal(t, [][]string{{"0", "0", "0", "0", "0", "", "0"}}, left, "%s", c.begin)
			require.NotEqual(t, held, serverPID(t, next), "%s: the server process is another one", c.begin)
			b.expect(next, "next", "nothing")
			require.NoError(t, next.Close(t.Context()))
		}
	}
}

// serverPID is the process that answers, asked for in a way that does not pin.
func serverPID(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	pid, _ := one(t, conn, "SELECT pid FROM pg_stat_activity WHERE pid = pg_backend_pid()")
	return pid
}

// Code of a DO block that calls a function in a declaration or an assignment sets state as well.
func TestADoBlockThatCallsAFunctionIsSeen(t *testing.T) {
	b := newPinBench(t, "pins_do", poolOf(1))
	for _, block := range []string{
		"DO $$ DECLARE x int := remember('my.key', 'v'); BEGIN NULL; END $$",
		"DO $$ DECLARE x int; BEGIN x := remember('my.key', 'v'); END $$",
		"DO $$ BEGIN IF remember('my.key', 'v') = 1 THEN NULL; END IF; END $$",
	} {
		conn := b.connect("do")
		exec(t, conn, block)
		b.expect(conn, "do", block, "unseen_state")
		require.NoError(t, conn.Close(t.Context()))
		next := b.connect("next")
		left, _ := one(t, next, "SELECT coalesce(current_setting('my.key', true), '')")
		require.Empty(t, left, block)
		require.NoError(t, next.Close(t.Context()))
	}
	conn := b.connect("plain")
	exec(t, conn, "DO $$ BEGIN CREATE TABLE plain (id int); DROP TABLE plain; END $$")
	b.expect(conn, "plain", "after a block that calls nothing")
}

// leftovers counts what a session may leave behind on a connection.
const leftovers = `SELECT
	(SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
	(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
	(SELECT count(*) FROM pg_cursors WHERE is_holdable),
	(SELECT count(*) FROM pg_listening_channels()),
	(SELECT count(*) FROM pg_prepared_statements WHERE from_sql),
	coalesce(current_setting('my.key', true), ''),
	(SELECT count(*) FROM pg_settings WHERE name LIKE 'auto_explain.%')`
