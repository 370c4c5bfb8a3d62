package instance_test

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
	"github.com/aioproxy/aioproxy/configs"
)

// oneConnection makes all sessions share one server connection per database and user.
func oneConnection(cfg *configs.Config) { cfg.Pool.MaxConnections = 1 }

func addrOf(f *front) string { return net.JoinHostPort(f.host, strconv.Itoa(f.port)) }

// Notifications that come while the client is idle may fill the server's buffer several times before they are written.
func TestIdleNotificationsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	db := sample(t, bed, "review_notify")
	w := openWire(t, addrOf(f), db)
	w.query("LISTEN review")
	w.wait('Z', 1)
	const count = 40
	payload := func(i int) string { return strings.Repeat(string(rune('A'+i)), 7000) }
	var sql strings.Builder
	sql.WriteString("BEGIN;")
	for i := range count {
		fmt.Fprintf(&sql, "SELECT pg_notify('review', '%s');", payload(i))
	}
	exec(t, connect(t, bed.Primary().DSN(db)), sql.String()+"COMMIT")
	for i := range count {
		m := <-w.messages
		require.Equal(t, byte('A'), m.typ)
		require.Contains(t, m.text, "bytes", "a long message")
		require.Equal(t, frames.Render('A', append([]byte{0, 0, 0, 0}, "review\x00"+payload(i)+"\x00"...), false), m.text, "notification %d", i)
	}
}

func TestMalformedCloseReachesTheServer(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	for _, body := range []string{"", "S", "Sname", "X\x00"} {
		w := openWire(t, addrOf(f), "postgres")
		direct := openWire(t, bed.Primary().Addr(), "postgres")
		packet := append(frames.AppendHeader(nil, 'C', len(body)+4), body...)
		packet = append(packet, 'S', 0, 0, 0, 4)
		w.write(packet)
		direct.write(packet)
		w.wait('Z', 1)
		direct.wait('Z', 1)
		require.Equal(t, direct.stream[len(direct.stream)-2:], w.stream[len(w.stream)-2:], "%q", body)
	}
}

func TestCopyWithALongText(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	db := sample(t, bed, "review_copy", "CREATE TABLE c (v text)")
	w := openWire(t, addrOf(f), db)
	w.query("/* " + strings.Repeat("x", 2<<20) + " */ COPY c FROM STDIN")
	w.wait('G', 1)
	data := strings.Repeat("y", 2<<20)
	w.send(frames.C("CopyData", "a\nb\n"), frames.C("CopyData", data+"\n"),
		frames.C("CopyDone"))
	w.wait('Z', 1)
	require.Equal(t, `C "COPY 3\x00"`, w.stream[len(w.stream)-2])
	// An error in the middle of long messages leaves the session usable.
	w.query("COPY c (nothing) FROM STDIN")
	w.wait('Z', 1)
	w.send(frames.C("CopyData", data), frames.C("CopyDone"), frames.C("Query", "SELECT 1"))
	w.wait('Z', 1)
	require.Equal(t, `C "SELECT 1\x00"`, w.stream[len(w.stream)-2])
}

func TestResetAllKeepsTheRoleToItself(t *testing.T) {
	t.Parallel()
	f := start(t, bed, oneConnection)
	db := sample(t, bed, "review_reset")
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	exec(t, a, "SET ROLE pg_monitor", "SET work_mem = '7MB'", "RESET ALL")
	who, _ := one(t, b, "SELECT current_user")
	require.Equal(t, "postgres", who, "another session")
	who, _ = one(t, a, "SELECT current_user")
	require.Equal(t, "pg_monitor", who, "RESET ALL does not touch the role")
	mem, _ := one(t, a, "SHOW work_mem")
	require.Equal(t, "4MB", mem)
	exec(t, a, "RESET ROLE")
}

func TestResetAllRolledBack(t *testing.T) {
	t.Parallel()
	f := start(t, bed, oneConnection)
	db := sample(t, bed, "review_reset_back")
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	exec(t, a, "SET work_mem = '7MB'", "SET my.own = 'a'", "BEGIN", "RESET ALL", "ROLLBACK")
	mem, _ := one(t, b, "SHOW work_mem")
	require.Equal(t, "4MB", mem, "another session")
	mem, _ = one(t, a, "SHOW work_mem")
	require.Equal(t, "7MB", mem)
	own, _ := one(t, a, "SHOW my.own")
	require.Equal(t, "a", own)
}

func TestDiscardAllThatFailsKeepsStatements(t *testing.T) {
	t.Parallel()
	f := start(t, bed, oneConnection)
	w := openWire(t, addrOf(f), "postgres")
	w.send(frames.C("Parse", "s1", "SELECT 1"), frames.C("Sync"))
	w.wait('Z', 1)
	for _, sql := range []string{"BEGIN", "DISCARD ALL", "ROLLBACK"} {
		w.query(sql)
		w.wait('Z', 1)
	}
	w.send(frames.C("Bind", "", "s1"), frames.C("Execute", ""), frames.C("Sync"))
	w.wait('Z', 1)
	require.Equal(t, `C "SELECT 1\x00"`, w.stream[len(w.stream)-2])
}

// A trigger has the session's state asked for; the settings of the class must not be taken for the session's own.
func TestClassSettingsAreNotAdopted(t *testing.T) {
	t.Parallel()
	f := start(t, bed, func(cfg *configs.Config) {
		oneConnection(cfg)
		cfg.Router.Classes.OLTP.Settings = map[string]string{"work_mem": "77MB"}
		cfg.Router.Classes.OLTP.QueryTimeout = time.Minute
	})
	db := sample(t, bed, "review_overlay", `
CREATE TABLE o (v text, mem text);
CREATE FUNCTION o_mem() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.mem := current_setting('work_mem'); PERFORM set_config('lock_timeout', '5s', false); RETURN NEW; END $$;
CREATE TRIGGER o_mem BEFORE INSERT ON o FOR EACH ROW EXECUTE FUNCTION o_mem();`)
	a := connect(t, f.dsn(db))
	known(t, a, "SELECT * FROM o")
	exec(t, a, "INSERT INTO o VALUES ('a')")
	mem, _ := one(t, a, "SELECT mem FROM o")
	require.Equal(t, "77MB", mem, "the class's setting is in force")
	for name, want := range map[string]string{"work_mem": "4MB", "statement_timeout": "0", "lock_timeout": "5s"} {
		got, _ := one(t, a, "SHOW "+name)
		require.Equal(t, want, got, name)
	}
}

// The first statement in a database comes before its catalog is known.
func TestStateIsAccountedForWithoutACatalog(t *testing.T) {
	t.Parallel()
	f := start(t, bed, poolOf(2)) // what a view or a trigger sets may pin the first session
	view := "CREATE VIEW v AS SELECT set_config('lock_timeout', '9s', false) AS x"
	trigger := `CREATE TABLE o (v text); CREATE FUNCTION o_set() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('lock_timeout', '9s', false); RETURN NEW; END $$;
CREATE TRIGGER o_set BEFORE INSERT ON o FOR EACH ROW EXECUTE FUNCTION o_set();`
	for i, sql := range []string{"SELECT set_config('lock_timeout', '9s', false)", "SELECT x FROM v", "INSERT INTO o VALUES ('a')"} {
		db := sample(t, bed, fmt.Sprintf("review_unknown_%d", i), view, trigger)
		a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
		exec(t, a, sql)
		got, _ := one(t, b, "SHOW lock_timeout")
		require.Equal(t, "0", got, "another session, after %s", sql)
		got, _ = one(t, a, "SHOW lock_timeout")
		require.Equal(t, "9s", got, sql)
	}
	db := sample(t, bed, "review_unknown_lock")
	a := connect(t, f.dsn(db))
	_, h := simple(t, a, "SELECT pg_advisory_lock(77)")
	require.Equal(t, "advisory_lock", h.pin)
}

func TestFunctionCallPins(t *testing.T) {
	t.Parallel()
	f := start(t, bed, oneConnection)
	w := openWire(t, addrOf(f), "postgres")
	const pgAdvisoryLock = 2880
	w.send(frames.C("Function", strconv.Itoa(pgAdvisoryLock), "4711"))
	w.wait('Z', 1)
	require.Equal(t, 1, countLocks(t, 4711))
	b := openWire(t, addrOf(f), "template1")
	b.query("SELECT 1")
	b.wait('Z', 1)
	w.query("SHOW aioproxy.last")
	got := w.wait('Z', 1)
	require.Contains(t, got[1].text, "advisory_lock")
}

func countLocks(t *testing.T, key int) (n int) {
	t.Helper()
	conn := connect(t, bed.Primary().DSN("postgres"))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1", key).Scan(&n))
	return n
}

func TestServerEndsAnIdleTransaction(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	for _, addr := range []string{bed.Primary().Addr(), addrOf(f)} {
		w := openWire(t, addr, "postgres")
		w.query("SET idle_in_transaction_session_timeout = 100")
		w.wait('Z', 1)
		w.query("BEGIN")
		w.wait('Z', 1)
		w.stream = nil
		w.wait(0, 1)
		require.Len(t, w.stream, 2, "%q", w.stream)
		require.Contains(t, w.stream[0], "25P03")
		require.Contains(t, w.stream[0], "FATAL")
		require.Equal(t, closedMark, w.stream[1])
	}
}

// A session that loses its transaction or its pinned state with the server connection must not go on as if nothing was.
func TestLostConnectionEndsWhatItHeld(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	for _, begin := range []string{"BEGIN", "SELECT pg_advisory_lock(78)"} {
		w := openWire(t, addrOf(f), "postgres")
		w.query(begin)
		w.wait('Z', 1)
		w.query("SELECT pg_terminate_backend(pg_backend_pid())")
		w.stream = nil
		w.wait('Z', 1)
		require.Equal(t, closedMark, w.stream[len(w.stream)-1], "after %s: %q", begin, w.stream)
	}
}

func TestNothingIsSaidInTheMiddleOfARow(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	conn, err := net.Dial("tcp", addrOf(f))
	require.NoError(t, err)
	defer conn.Close()
	r := &rawConn{t: t, conn: conn}
	r.exchange(&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersionNumber,
		Parameters:      map[string]string{"user": "postgres", "database": "postgres", "application_name": "review_row"},
	})
	const size = 64 << 20
	out, err := (&pgproto3.Query{String: fmt.Sprintf("SELECT repeat('x', %d)", size)}).Encode(nil)
	require.NoError(t, err)
	_, err = conn.Write(out)
	require.NoError(t, err)
	head := make([]byte, 1000)
	_, err = io.ReadFull(conn, head)
	require.NoError(t, err)
	helper := connect(t, bed.Primary().DSN("postgres"))
	const blocked = " FROM pg_stat_activity WHERE application_name = 'review_row' AND wait_event = 'ClientWrite'"
	awaitTrue(t, helper, "SELECT count(*) > 0"+blocked)
	exec(t, helper, "SELECT pg_terminate_backend(pid)"+blocked)
	rest, err := io.ReadAll(conn)
	_ = err // a reset is as good an end
	require.Less(t, len(head)+len(rest), size)
	require.NotContains(t, string(rest[max(0, len(rest)-1000):]), "08006")
	require.Equal(t, strings.Repeat("x", 100), string(rest[len(rest)-100:]))
}

func TestCommitAndChainInvalidates(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "review_chain", itemsSchema)
	f := start(t, bed, keepAll)
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	known(t, b, "SELECT count(*) FROM items")
	for range 2 {
		one(t, b, "SELECT count(*) FROM items")
	}
	n, h := one(t, b, "SELECT count(*) FROM items")
	require.Equal(t, "hit", h.cache)
	require.Equal(t, "51", n)
	exec(t, a, "BEGIN", "INSERT INTO items (id) VALUES (100)", "COMMIT AND CHAIN")
	n, _ = one(t, b, "SELECT count(*) FROM items")
	require.Equal(t, "52", n)
}

// Names may mean something else behind a change of search_path that the catalog was not asked with.
func TestInvalidationKnowsTheSearchPath(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "review_path", "CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE TABLE s1.t (v int); CREATE TABLE s2.t (v int); CREATE TABLE t (v int)")
	f := start(t, bed, keepAll)
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	known(t, b, "SELECT count(*) FROM s1.t")
	writes := [][]string{
		{"BEGIN", "SELECT set_config('search_path', 's1', true)", "INSERT INTO t VALUES (1)", "COMMIT"},
		{"SET search_path = s1; INSERT INTO t VALUES (1)", "RESET search_path"},
		{"BEGIN; SET LOCAL search_path = s1; INSERT INTO t VALUES (1); COMMIT"},
		{"SELECT set_config('search_path', 's1', false); INSERT INTO t VALUES (1)", "RESET search_path"},
	}
	for i, w := range writes {
		for range 2 {
			one(t, b, "SELECT count(*) FROM s1.t")
		}
		n, h := one(t, b, "SELECT count(*) FROM s1.t")
		require.Equal(t, "hit", h.cache)
		require.Equal(t, strconv.Itoa(i), n)
		exec(t, a, w...)
		n, _ = one(t, b, "SELECT count(*) FROM s1.t")
		require.Equal(t, strconv.Itoa(i+1), n, "after %q", w)
	}
}

// SET SESSION AUTHORIZATION undoes SET ROLE; another server connection must not be given the role again.
func TestSessionAuthorizationUndoesRole(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "review_auth")
	f := start(t, bed, nil)
	helper := connect(t, bed.Primary().DSN(db))
	exec(t, helper, "DROP ROLE IF EXISTS review_member", "CREATE ROLE review_member IN ROLE pg_monitor")
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	exec(t, a, "SET ROLE pg_monitor", "SET SESSION AUTHORIZATION review_member")
	exec(t, b, "BEGIN", "SELECT 1") // takes the connection that a just used
	who, _ := one(t, a, "SELECT current_user")
	require.Equal(t, "review_member", who)
	exec(t, b, "COMMIT")
	exec(t, a, "RESET SESSION AUTHORIZATION")
	exec(t, helper, "DROP ROLE review_member")
}

func TestPinnedSessionGivesItsClassPlaceBack(t *testing.T) {
	t.Parallel()
	f := start(t, bed, func(cfg *configs.Config) {
		cfg.Router.Classes.OLTP.MaxConcurrency = 1
		cfg.Pool.AcquireTimeout = 2 * time.Second
	})
	a, b := connect(t, f.dsn("postgres")), connect(t, f.dsn("postgres"))
	_, h := simple(t, a, "SELECT pg_advisory_lock(79)")
	require.Equal(t, "advisory_lock", h.pin)
	_, err := trySimple(t.Context(), b, "SELECT 1")
	require.NoError(t, err)
}

func TestLongUnnamedStatement(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	w := openWire(t, addrOf(f), "postgres")
	w.send(frames.C("Parse", "", "/* "+strings.Repeat("x", 2<<20)+" */ SELECT 5"), frames.C("Describe", "S", ""),
		frames.C("Bind", "", ""), frames.C("Execute", ""), frames.C("Sync"))
	w.wait('Z', 1)
	require.Equal(t, `C "SELECT 1\x00"`, w.stream[len(w.stream)-2], "%q", w.stream)
}

// A client that never says anything must not hold up a stop beyond shutdown_timeout.
func TestSilentClientDoesNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	var stopped time.Time
	t.Run("running", func(t *testing.T) {
		f := start(t, bed, func(cfg *configs.Config) { cfg.Proxy.ShutdownTimeout = 100 * time.Millisecond })
		conn, err := net.Dial("tcp", addrOf(f))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		pinned := openWire(t, addrOf(f), "postgres") // makes sure that the one before was accepted
		pinned.query("SELECT pg_advisory_lock(80)")
		pinned.wait('Z', 1)
		stopped = time.Now()
	})
	require.Less(t, time.Since(stopped), 20*time.Second)
}

// What a session without writes of its own reads from a replica far behind must not be kept for one that has written.
func TestKeptForSessionsHasTheirWrites(t *testing.T) {
	t.Parallel()
	c := ownServers(t, 1)
	db := sample(t, c, "review_session", itemsSchema)
	f := start(t, c, func(cfg *configs.Config) {
		keepAll(cfg)
		cfg.Router.Consistency = "session"
	})
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	const query = "/* aioproxy: route=replica */ SELECT count(*) FROM items"
	known(t, a, query)
	until(t, "the replica answers", func() bool {
		_, h := one(t, b, "/* aioproxy: route=replica, cache=off */ SELECT count(*) FROM items")
		return h.target == "replica"
	})
	require.NoError(t, c.Replicas()[0].Exec(t.Context(), "postgres", "SELECT pg_wal_replay_pause()"))
	exec(t, a, "INSERT INTO items (id) VALUES (1000)")
	n, h := one(t, b, query)
	t.Log("without writes:", n, h)
	n, h = one(t, a, query)
	require.Equal(t, "52", n, "%v", h)
	require.NoError(t, c.Replicas()[0].Exec(t.Context(), "postgres", "SELECT pg_wal_replay_resume()"))
}

// Custom settings are not listed by the server: a function that sets one keeps its connection.
func TestCustomSettingOfAFunctionDoesNotLeak(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "review_tenant", `CREATE FUNCTION set_tenant(t text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('app.tenant', t, false); END $$;`)
	f := start(t, bed, nil)
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	known(t, b, "SELECT set_tenant('')")
	exec(t, b, "DISCARD ALL")
	simple(t, a, "SELECT set_tenant('a')")
	for range 3 {
		got, _ := one(t, b, "SELECT coalesce(current_setting('app.tenant', true), '')")
		require.Empty(t, got, "another session")
		got, _ = one(t, a, "SELECT current_setting('app.tenant', true)")
		require.Equal(t, "a", got)
	}
}
