package instance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

type change = func(*configs.Config)

// step is one value of a configuration and what is seen under it.
type step struct {
	set  change
	want string
}

// trial compares what is seen under values of keys. They are changed by a reload of the running aioproxy. Those that package
// configs says are live must have their effect then; the others must not, and a second aioproxy is started with them.
type trial struct {
	keys  []string
	base  change // under both values
	steps []step
	see   func(t *testing.T, f *front) string
}

func (tr trial) effect(name string) effect {
	return effect{name: name, keys: tr.keys, show: func(t *testing.T) { tr.run(t, bed) }}
}

func (tr trial) run(t *testing.T, c *testbed.Cluster) {
	t.Helper()
	var f *front
	var current atomic.Pointer[change]
	for i, s := range tr.steps {
		before := current.Load()
		set := join(tr.base, s.set)
		current.Store(&set)
		live := false
		if i > 0 {
			live = tr.isLive(t, *before, set)
		}
		if i > 0 {
			require.NoError(t, f.Reload())
		}
		if i > 0 && !live {
			tr.expect(t, f, tr.steps[i-1].want) // what needs a restart stays as it was
		}
		if !live {
			f = start(t, c, func(cfg *configs.Config) { (*current.Load())(cfg) })
		}
		tr.expect(t, f, s.want)
	}
}

// expect polls, because some of what is to be seen comes with time.
func (tr trial) expect(t *testing.T, f *front, want string) {
	t.Helper()
	got := tr.see(t, f)
	for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); {
		got = tr.see(t, f)
	}
	require.Equal(t, want, got, "%s", tr.keys)
}

// isLive asks package configs how the two differ: in the keys of the trial and in nothing else.
func (tr trial) isLive(t *testing.T, before, after change) bool {
	t.Helper()
	a, b := configs.Default(), configs.Default()
	before(&a)
	after(&b)
	live, restart := configs.Diff(&a, &b)
	require.True(t, len(live) == 0 || len(restart) == 0, "%s or %s", live, restart)
	for _, key := range slices.Concat(live, restart) {
		require.True(t, slices.ContainsFunc(tr.keys, func(k string) bool { return k == key || strings.HasPrefix(k, key+"[].") }),
			"%s is changed and not of %s", key, tr.keys)
	}
	return len(live) > 0
}

func join(changes ...change) change {
	return func(cfg *configs.Config) {
		for _, c := range changes {
			if c != nil {
				c(cfg)
			}
		}
	}
}

var serial atomic.Int64

// unique makes a text that no other test has used, so that nothing is remembered of it but its fingerprint.
func unique(sql string) string { return fmt.Sprintf("/* n%d */ %s", serial.Add(1), sql) }

// client connects to keysDB and waits until its names are known.
func client(t *testing.T, f *front) *pgx.Conn {
	t.Helper()
	conn := connect(t, f.dsn(keysDB)+" application_name=keys_app")
	known(t, conn, "SELECT name FROM items WHERE id = 1")
	return conn
}

// outcome is "ok", an SQLSTATE, or "waits" where the answer did not come before ctx ended.
func outcome(err error) string {
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused):
		return refused.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "waits"
	}
	return err.Error()
}

// running runs a text beside the test and sends its error. It must have ended when the test ends.
func running(t *testing.T, conn *pgx.Conn, sql string) <-chan error {
	t.Helper()
	var work sync.WaitGroup
	ended := make(chan error, 1)
	work.Go(func() {
		_, err := trySimple(t.Context(), conn, sql)
		ended <- err
	})
	t.Cleanup(work.Wait)
	return ended
}

// soon is long for an answer that comes and short for a test that waits for one that does not.
const soon = 400 * time.Millisecond

// attempt is the outcome of a statement that gets a while.
func attempt(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), soon)
	defer stop()
	_, err := trySimple(ctx, conn, sql)
	return outcome(err)
}

// login is the outcome of connecting.
func login(t *testing.T, dsn string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		require.NoError(t, conn.Close(ctx))
	}
	return outcome(err)
}

// holdTables is how many tables there are to be locked; nextHold counts those given away.
const holdTables = 96

var nextHold atomic.Int64

// hold locks a table that nobody else uses, for as long as release was not called.
func hold(t *testing.T) (table string, release func()) {
	t.Helper()
	n := nextHold.Add(1) - 1
	require.Less(t, n, int64(holdTables))
	table = fmt.Sprintf("hold%d", n)
	conn := connect(t, bed.Primary().DSN(keysDB))
	exec(t, conn, "BEGIN", "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	return table, sync.OnceFunc(func() { exec(t, conn, "ROLLBACK") })
}

// awaitBlocked returns when n statements with the text wait for a lock on the primary.
func awaitBlocked(t *testing.T, text string, n int) {
	t.Helper()
	awaitTrue(t, connect(t, bed.Primary().DSN("postgres")), `SELECT count(*) >= $2 FROM pg_stat_activity
		WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid() AND starts_with(query, $1)`, text, n)
}

// guest creates a role that the servers trust, to tell an effect's connections from others.
func guest(t *testing.T, name, options string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	require.NoError(t, bed.Primary().Exec(ctx, "postgres", "DROP ROLE IF EXISTS "+name, "CREATE ROLE "+name+" LOGIN "+options))
	t.Cleanup(func() { require.NoError(t, bed.Primary().Exec(ctx, "postgres", "DROP ROLE "+name)) })
	return name
}

// as is a connection string of another role; an empty password is left out.
func (f *front) as(user, password string) string {
	dsn := fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", f.host, f.port, user, keysDB)
	if password != "" {
		dsn += " password=" + password
	}
	return dsn
}

// page fetches from the HTTP side.
func page(t *testing.T, f *front, path string) (status int, body string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r, err := c.Get("http://" + f.AdminAddr().String() + path)
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(text)
}

func readiness(t *testing.T, f *front) string {
	t.Helper()
	status, _ := page(t, f, "/readyz")
	return http.StatusText(status)
}

const ready, notReady = "OK", "Service Unavailable"

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}
