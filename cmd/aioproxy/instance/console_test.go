package instance_test

import (
	"context"
	command "os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

const console = "aioproxy"

// On the console every mode of pgx works: the simple protocol, and the extended one with results in binary.
func TestConsoleInEveryProtocol(t *testing.T) {
	f := start(t, bed, onConsole)
	pinned := connect(t, f.dsn("postgres")+" application_name=seen")
	exec(t, pinned, "SELECT pg_advisory_lock(77)")
	require.Equal(t, "advisory_lock", lastOf(t, pinned).pin)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		conn := connect(t, f.dsn(console)+" default_query_exec_mode="+mode)
		for range 2 {
			rows, err := conn.Query(t.Context(), "show pins")
			require.NoError(t, err, mode)
			pins, err := pgx.CollectRows(rows, pgx.RowToMap)
			require.NoError(t, err, mode)
			require.Len(t, pins, 1)
			p := pins[0]
			require.Equal(t, "seen advisory_lock idle", strings.Join([]string{p["application_name"].(string), p["reason"].(string), p["state"].(string)}, " "))
			require.IsType(t, int32(0), p["server_pid"])
			require.IsType(t, float64(0), p["age"])
			var version string
			require.NoError(t, conn.QueryRow(t.Context(), "SHOW VERSION").Scan(&version))
			require.Regexp(t, `^aioproxy \S+`, version)
		}
		_, err := conn.Exec(t.Context(), "SELECT 1")
		require.Equal(t, "42601", outcome(err), mode)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused)
		require.Contains(t, refused.Hint, "SHOW HELP, SHOW PINS, SHOW VERSION")
		require.NoError(t, conn.Ping(t.Context()), "an error does not end the session: %s", mode)
	}
}

func TestConsoleThroughPsql(t *testing.T) {
	f := start(t, bed, onConsole)
	psql, err := command.LookPath("psql")
	require.NoError(t, err, "apt-get install postgresql-client")
	out, err := command.CommandContext(t.Context(), psql, "-XAt", f.dsn(console), "-c", "SHOW HELP; show pins;", "-c", "SHOW VERSION").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `(?s)^SHOW HELP\|.*SHOW PINS\|.*SHOW VERSION\|.*\naioproxy \S+`, string(out))
	out, err = command.CommandContext(t.Context(), psql, "-X", f.dsn(console), "-c", "\\d").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "the console does not know this command")
}

// Who is not listed does not get in, whatever he may do elsewhere, and hears which key to edit.
func TestConsoleIsForThoseListed(t *testing.T) {
	user := guest(t, "console_guest", "SUPERUSER PASSWORD 'secret' IN ROLE trusted")
	dsn := func(f *front, password string) string { return f.as(user, password) + " dbname=" + console }
	closed := start(t, bed, nil)
	_, err := pgx.Connect(t.Context(), closed.dsn(console))
	require.Equal(t, "42501", outcome(err), "nobody is listed by default")
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "FATAL", refused.Severity)
	require.Contains(t, refused.Hint, "admin_users")
	require.Contains(t, refused.Hint, "stats_users")

	asking := start(t, bed, func(cfg *configs.Config) {
		cfg.Auth.Method = auth.MethodSCRAM
		cfg.Proxy.StatsUsers = []string{user}
	})
	require.Equal(t, "28P01", login(t, dsn(asking, "wrong")), "a listed user proves who he is")
	require.Equal(t, "ok", login(t, dsn(asking, "secret")))
}

// A reload changes what a session on the console may do.
func TestConsoleListsAreReloaded(t *testing.T) {
	var mu sync.Mutex
	users := []string{"postgres"}
	f := start(t, bed, func(cfg *configs.Config) {
		mu.Lock()
		defer mu.Unlock()
		cfg.Proxy.StatsUsers = users
	})
	conn := connect(t, f.dsn(console))
	exec(t, conn, "SHOW PINS")
	mu.Lock()
	users = nil
	mu.Unlock()
	require.NoError(t, f.Reload())
	require.Equal(t, "42501", attempt(t, conn, "SHOW PINS"))
	until(t, "the session has ended", func() bool { return conn.Ping(t.Context()) != nil })
}

// Sessions of the console are clients like others: they count, cannot be cancelled into anything, and end at a stop. They need
// no server.
func TestConsoleSessionsAreClients(t *testing.T) {
	f := start(t, bed, join(onConsole, func(cfg *configs.Config) {
		cfg.Proxy.MaxClients = 1
		cfg.Cluster.Nodes = []string{deadAddress()}
	}))
	conn := connect(t, f.dsn(console))
	require.Equal(t, "53300", login(t, f.dsn(console)))
	require.NoError(t, conn.PgConn().CancelRequest(t.Context()))
	exec(t, conn, "SHOW PINS", ";", "-- nothing", "SHOW VERSION;SHOW VERSION")
	f.stop()
	until(t, "the session ends", func() bool { return attempt(t, conn, "SHOW VERSION") == "57P01" || conn.IsClosed() })
}

// A database of the console's name is out of reach through the port; those whose names contain it are not.
func TestConsoleHidesADatabase(t *testing.T) {
	for _, name := range []string{console, console + "2"} {
		sample(t, bed, name, "CREATE TABLE here (id int)")
	}
	f := start(t, bed, onConsole)
	require.Equal(t, "42601", attempt(t, connect(t, f.dsn(console)), "SELECT count(*) FROM here"))
	exec(t, connect(t, f.dsn(console+"2")), "SELECT count(*) FROM here")
}

// A message that no window holds ends the session; a text that is too long does not.
func TestConsoleRefusesWhatIsTooLong(t *testing.T) {
	f := start(t, bed, onConsole)
	conn := connect(t, f.dsn(console))
	_, err := trySimple(t.Context(), conn, strings.Repeat("SHOW VERSION;", 10_000))
	require.Equal(t, "54000", outcome(err))
	exec(t, conn, "SHOW VERSION")
	_, err = trySimple(context.WithoutCancel(t.Context()), conn, strings.Repeat("SHOW VERSION;", 200_000))
	require.Error(t, err)
	until(t, "the session has ended", func() bool { return conn.Ping(t.Context()) != nil })
	require.Equal(t, "ok", login(t, f.dsn(console)))
}

// SHOW PINS has a row for every session that is pinned, and what it says of its server is what PostgreSQL says.
func TestShowPinsOfManySessions(t *testing.T) {
	f := start(t, bed, join(poolOf(10), onConsole))
	const sessions = 5
	pids := map[string]bool{}
	for i := range sessions {
		conn := connect(t, f.dsn("postgres")+" application_name=many_"+strconv.Itoa(i))
		exec(t, conn, "CREATE TEMP TABLE many (id int)", "SELECT pg_advisory_lock(900 + "+strconv.Itoa(i)+")")
		pids[serverPID(t, conn)] = true
		if i == 0 {
			exec(t, conn, "BEGIN", "SELECT 1 FROM many")
		}
	}
	require.Len(t, pids, sessions)
	rows, _ := trySimple(t.Context(), connect(t, f.dsn(console)), "SHOW PINS")
	require.Len(t, rows, 2*sessions)
	for _, row := range rows {
		require.True(t, pids[row[9]], "server_pid %s", row[9])
		state := "idle"
		if row[3] == "many_0" {
			state = "idle in transaction"
		}
		require.Equal(t, state, row[10])
	}
}
