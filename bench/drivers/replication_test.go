package drivers_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

// program finds a program of PostgreSQL's that Debian keeps beside the server.
func program(t *testing.T, name string) string {
	t.Helper()
	bindir, err := testbed.FindPostgres()
	require.NoError(t, err)
	server, err := filepath.EvalSymlinks(filepath.Join(bindir, "postgres"))
	require.NoError(t, err)
	path, err := exec.LookPath(filepath.Join(filepath.Dir(server), name))
	require.NoError(t, err, "apt-get install postgresql, or run .ci/install-deps")
	return path
}

// through runs a program of PostgreSQL's against the proxy; it must succeed.
func through(t *testing.T, p *proxy, database, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), t, environment(p.host, p.port, database), program(t, name), args...)
	require.NoError(t, err)
	return out
}

// primaryValue asks the primary itself.
func primaryValue(t *testing.T, database, query string) (value string) {
	t.Helper()
	conn, err := bed.Primary().Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, conn.QueryRow(t.Context(), query, pgx.QueryExecModeSimpleProtocol).Scan(&value))
	return value
}

// TestBaseBackup: a backup taken through the proxy is whole, its WAL included; -X stream opens a second connection for that.
func TestBaseBackup(t *testing.T) {
	p := startProxy(t, "pool: {max_connections: 1}\n")
	for _, method := range []string{"stream", "fetch"} {
		t.Run(method, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "backup")
			through(t, p, "postgres", "pg_basebackup", "-D", dir, "-X", method, "-c", "fast", "--no-sync")
			out, err := command(t.Context(), t, os.Environ(), program(t, "pg_verifybackup"), dir)
			require.NoError(t, err)
			require.Contains(t, out, "backup successfully verified")
		})
	}
}

func TestReceiveWAL(t *testing.T) {
	p := startProxy(t, "")
	dir := t.TempDir()
	through(t, p, "postgres", "pg_receivewal", "--slot=drivers_made", "--create-slot")
	through(t, p, "postgres", "pg_receivewal", "--slot=drivers_made", "--drop-slot")
	write := func(sql ...string) { require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", sql...)) }
	write("SELECT pg_create_physical_replication_slot('drivers_wal', true)", "CREATE TABLE drivers_wal AS SELECT 1")
	segment := primaryValue(t, "postgres", "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
	write("SELECT pg_switch_wal()", "DROP TABLE drivers_wal")
	end := primaryValue(t, "postgres", "SELECT pg_current_wal_lsn()::text")
	write("SELECT pg_switch_wal()") // something behind the end makes the stream reach it
	through(t, p, "postgres", "pg_receivewal", "--slot=drivers_wal", "--no-loop", "-D", dir, "--endpos="+end)
	require.FileExists(t, filepath.Join(dir, segment))
	through(t, p, "postgres", "pg_receivewal", "--slot=drivers_wal", "--drop-slot")
}

func TestReceiveLogical(t *testing.T) {
	p := startProxy(t, "")
	require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "CREATE DATABASE receive_logical"))
	const db, slot = "receive_logical", "--slot=drivers_logical"
	through(t, p, db, "pg_recvlogical", "-d", db, slot, "--create-slot", "-P", "test_decoding")
	require.NoError(t, bed.Primary().Exec(t.Context(), db, "CREATE TABLE t (id int PRIMARY KEY, what text)",
		"INSERT INTO t VALUES (1, 'one'), (2, 'two')", "UPDATE t SET what = 'zwei' WHERE id = 2"))
	end := primaryValue(t, db, "SELECT pg_current_wal_insert_lsn()::text")
	// Something behind the end makes the stream reach it.
	require.NoError(t, bed.Primary().Exec(t.Context(), db, "INSERT INTO t VALUES (3, 'three')"))
	out := through(t, p, db, "pg_recvlogical", "-d", db, slot, "--start", "--no-loop", "-o", "include-xids=0", "-f", "-", "--endpos="+end)
	want := "BEGIN\nCOMMIT\n" +
		"BEGIN\ntable public.t: INSERT: id[integer]:1 what[text]:'one'\ntable public.t: INSERT: id[integer]:2 what[text]:'two'\nCOMMIT\n" +
		"BEGIN\ntable public.t: UPDATE: id[integer]:2 what[text]:'zwei'\nCOMMIT\n"
	require.Equal(t, want, out)
	through(t, p, db, "pg_recvlogical", "-d", db, slot, "--drop-slot")
	require.Equal(t, "0", primaryValue(t, db, "SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = 'drivers_logical'"))
}

// TestSubscription: a subscriber whose publisher is the proxy.
func TestSubscription(t *testing.T) {
	p := startProxy(t, "")
	require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "CREATE DATABASE publisher", "CREATE DATABASE subscriber"))
	require.NoError(t, bed.Primary().Exec(t.Context(), "publisher", "CREATE TABLE t (id int PRIMARY KEY, what text)",
		"INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i", "CREATE PUBLICATION p FOR TABLE t",
		"SELECT pg_create_logical_replication_slot('drivers_sub', 'pgoutput')"))
	subscriber, err := pgx.Connect(t.Context(), p.dsn("subscriber"))
	require.NoError(t, err)
	defer func() { require.NoError(t, subscriber.Close(context.WithoutCancel(t.Context()))) }()
	exec := func(sql string) {
		t.Helper()
		_, err := subscriber.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
	}
	exec("CREATE TABLE t (id int PRIMARY KEY, what text)")
	exec("CREATE SUBSCRIPTION s CONNECTION '" + p.dsn("publisher") + "' PUBLICATION p WITH (create_slot = false, slot_name = 'drivers_sub')")
	const sum = "SELECT count(*) || ' ' || coalesce(sum(hashtext(what)), 0) FROM t"
	same := func() bool { return primaryValue(t, "publisher", sum) == primaryValue(t, "subscriber", sum) }
	require.Eventually(t, same, patience, interval, "the tables are copied")
	require.NoError(t, bed.Primary().Exec(t.Context(), "publisher", "UPDATE t SET what = 'changed' WHERE id % 2 = 0", "DELETE FROM t WHERE id < 100"))
	require.Eventually(t, same, patience, interval, "the changes follow")
	require.Equal(t, 1.0, p.counters(t, "aioproxy_proxy_pinned_sessions", "reason")["replication"])
	exec("DROP SUBSCRIPTION s")
	require.Equal(t, "0", primaryValue(t, "publisher", "SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = 'drivers_sub'"))
}

var placesInWAL = regexp.MustCompile(`\b[0-9A-F]+/[0-9A-F]+\b`)

// TestReplicationCommands compares what psql shows of a replication connection with a direct one.
func TestReplicationCommands(t *testing.T) {
	p := startProxy(t, "")
	const script = "IDENTIFY_SYSTEM\nSHOW wal_segment_size\nSHOW application_name\nREAD_REPLICATION_SLOT nothing\n" +
		"CREATE_REPLICATION_SLOT commands_temp TEMPORARY LOGICAL test_decoding (SNAPSHOT 'nothing')\nTIMELINE_HISTORY 99\nnonsense\n"
	for _, replication := range []string{"true", "database", "on", "1", "yes", "ye", "maybe", "false"} {
		t.Run(replication, func(t *testing.T) {
			run := func(host, port string) string {
				args := []string{
					"-X", "-v", "VERBOSITY=verbose", "-d",
					"dbname=postgres application_name=commands options='-c work_mem=1234kB' replication=" + replication,
				}
				for text := range strings.Lines(script) {
					args = append(args, "-c", strings.TrimSpace(text))
				}
				cmd := exec.CommandContext(t.Context(), program(t, "psql"), args...)
				cmd.Env = environment(host, port, "postgres")
				out, _ := cmd.CombinedOutput() // some commands are wrong
				return placesInWAL.ReplaceAllString(strings.ReplaceAll(string(out), "port "+port, "port ..."), "X/Y")
			}
			direct := run(bed.Primary().Host, strconv.Itoa(bed.Primary().Port))
			require.Greater(t, len(direct), 100)
			require.Equal(t, direct, run(p.host, p.port))
		})
	}
}
