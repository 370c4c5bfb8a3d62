package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

const fewRows = 12_000

var servers *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{Replicas: 1}, func(c *testbed.Cluster) { servers = c }))
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, n *testbed.Node) *pgx.Conn {
	t.Helper()
	conn, err := n.Connect(deadline(t), database)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// loaded gives each test a database demo of its own.
func loaded(t *testing.T) string {
	t.Helper()
	ctx := deadline(t)
	var out bytes.Buffer
	require.NoError(t, servers.Primary().Exec(ctx, "postgres", "DROP DATABASE IF EXISTS demo WITH (FORCE)"))
	require.NoError(t, loadSample(ctx, servers, fewRows, newConsole(&out)))
	return out.String()
}

func TestSample(t *testing.T) {
	out := loaded(t)
	require.Contains(t, out, "loading events         12,000 of 12,000 rows")

	ctx := deadline(t)
	for sql, want := range map[string]bool{
		"SELECT count(*) = 12000 FROM events": true,
		"SELECT count(*) BETWEEN 1150 AND 1350 FROM events WHERE created_at > now() - interval '1 day'":         true,
		"SELECT count(DISTINCT tableoid) >= 6 FROM events":                                                      true,
		"SELECT bool_or(created_at > now()) OR min(created_at) < now() - interval '181 days' FROM events":       false,
		"SELECT count(*) = 0 FROM events e WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = e.user_id)":       true,
		"SELECT count(*) = 2000 AND count(DISTINCT device) = 20 AND count(DISTINCT tableoid) >= 7 FROM metrics": true,
		"SELECT count(*) BETWEEN 1 AND 199 FROM documents WHERE search @@ to_tsquery('parallel & replica')":     true,
		"SELECT count(DISTINCT body) = 200 FROM documents":                                                      true,
	} {
		for _, n := range servers.Nodes() {
			var got bool
			require.NoError(t, connect(t, n).QueryRow(ctx, sql).Scan(&got), sql)
			require.Equal(t, want, got, "%s on %s", sql, n.Name)
		}
	}
}

// scripted stands in for SHOW aioproxy.last: it claims what each step expects.
func scripted(steps []step) func(context.Context, *pgx.Conn) (outcome, error) {
	var i int
	return func(context.Context, *pgx.Conn) (outcome, error) {
		want := steps[i].want
		i++
		got := outcome{target: want.target, reason: "scripted"}
		if len(want.class) > 0 {
			got.class, got.cache = want.class[0], want.cache[0]
		}
		return got, nil
	}
}

func TestTourOfCorrectAnswers(t *testing.T) {
	loaded(t)
	steps := tourSteps(time.Now())
	var out bytes.Buffer
	tr := &tour{
		proxied: connect(t, servers.Primary()), direct: connect(t, servers.Primary()),
		last: scripted(steps), say: newConsole(&out),
	}
	deviations, err := tr.run(deadline(t), steps)
	require.NoError(t, err)
	require.Empty(t, deviations)
	require.NoError(t, verdict(deviations, tr.say))
	require.Contains(t, out.String(), "through aioproxy, from the cache")
	for _, s := range steps {
		require.Contains(t, out.String(), shorten(s.sql, 64))
	}
}

func TestTourNoticesWrongAnswers(t *testing.T) {
	loaded(t)
	ctx := deadline(t)
	steps := tourSteps(time.Now())
	proxied := connect(t, servers.Primary())
	// A proxy that answers every analytic read from a table that lacks a row.
	_, err := proxied.Exec(ctx, `
		CREATE SCHEMA stale;
		CREATE TABLE stale.events AS TABLE public.events;
		DELETE FROM stale.events WHERE id = (SELECT max(id) FROM public.events);
		SET search_path = stale, public`, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	tr := &tour{proxied: proxied, direct: connect(t, servers.Primary()), last: scripted(steps), say: newConsole(io.Discard)}
	// Equal to the primary's, but proof of nothing.
	nobody := step{sql: readUserSQL, args: []any{0}, mode: pgx.QueryExecModeExec, compare: primary}
	deviations, err := tr.run(ctx, []step{steps[3], steps[7], nobody})
	require.NoError(t, err)
	require.Len(t, filter(deviations, "the answer differs from the primary's"), 2)
	require.Len(t, filter(deviations, "no rows"), 1)
	require.ErrorIs(t, verdict(deviations, tr.say), ErrDeviations)
}

func filter(list []string, part string) (found []string) {
	for _, s := range list {
		if strings.Contains(s, part) {
			found = append(found, s)
		}
	}
	return found
}

func TestTourNoticesWrongPlaces(t *testing.T) {
	loaded(t)
	steps := tourSteps(time.Now())
	tr := &tour{
		proxied: connect(t, servers.Primary()), direct: connect(t, servers.Primary()), say: newConsole(io.Discard),
		last: func(context.Context, *pgx.Conn) (outcome, error) {
			return outcome{class: "oltp", target: "primary", cache: "bypass"}, nil
		},
	}
	deviations, err := tr.run(deadline(t), steps)
	require.NoError(t, err)
	require.Empty(t, filter(deviations, "answer differs"))
	require.NotEmpty(t, filter(deviations, `step 5 (SELECT event_type, count(*), avg(amount…): target is "primary", expected "cache"`))
	require.Len(t, filter(deviations, "target"), 7, "every step that belongs to a replica or the cache")
}

func TestReadLast(t *testing.T) {
	loaded(t)
	conn := connect(t, servers.Primary())
	row, err := namedRow(deadline(t), conn, "SELECT 'olap' AS class, NULL AS node")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"class": "olap", "node": ""}, row)
	_, err = namedRow(deadline(t), conn, "SELECT 1 WHERE false")
	require.Error(t, err)
	_, err = readLast(deadline(t), conn)
	require.ErrorContains(t, err, "aioproxy.last")
}

// TestRunWithoutARealProxy puts a plain forwarder to the primary where the proxy
// belongs: it does not know SHOW aioproxy.last, so the demo has to fail, and clean up.
func TestRunWithoutARealProxy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()

	var got ProxyOptions
	stopped := false
	var out bytes.Buffer
	err = Run(deadline(t), Options{
		Check: true, Out: &out, Rows: fewRows, Listen: taken.Addr().String(),
		StartProxy: func(_ context.Context, p ProxyOptions) (func() error, error) {
			got = p
			f, err := forward(p.Listen, p.Nodes[0])
			return func() error { stopped = true; return f() }, err
		},
	})
	require.ErrorContains(t, err, "aioproxy.last")
	require.True(t, stopped)
	require.Len(t, got.Nodes, 2)
	require.NotEqual(t, taken.Addr().String(), got.Listen, "the next free port")
	for _, addr := range got.Nodes {
		_, err := net.Dial("tcp", addr)
		require.Error(t, err, "servers are stopped")
	}
	dir := out.String()[strings.Index(out.String(), "Stopped; ")+len("Stopped; "):]
	require.NoDirExists(t, strings.TrimSuffix(strings.TrimSpace(dir), " is removed."))
}

func TestRunEndsWhenCancelledWhileLoading(t *testing.T) {
	ctx, cancel := context.WithCancel(deadline(t))
	w := writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("loading")) {
			cancel()
		}
		return len(p), nil
	})
	err := Run(ctx, Options{Out: w, Rows: fewRows, StartProxy: func(context.Context, ProxyOptions) (func() error, error) {
		return nil, errors.New("must not be reached")
	}})
	require.ErrorIs(t, err, context.Canceled)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// forward copies bytes between clients of listen and server until stopped.
func forward(listen, server string) (stop func() error, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			backend, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			}
			wg.Go(func() { pipe(client, backend) })
			wg.Go(func() { pipe(backend, client) })
		}
	})
	return func() error {
		err := l.Close()
		wg.Wait()
		return err
	}, nil
}

func TestWithoutRedis(t *testing.T) {
	// Not t.TempDir, into which the account of the servers cannot look.
	bin, err := os.MkdirTemp("", "demo")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(bin) })
	require.NoError(t, os.Chmod(bin, 0o755))
	cp, err := exec.LookPath("cp")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(cp, filepath.Join(bin, "cp")))
	t.Setenv("PATH", bin)

	var out bytes.Buffer
	c, err := startServers(deadline(t), newConsole(&out))
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.Contains(t, out.String(), "apt-get install redis-server")
	require.Contains(t, out.String(), "cached in the process")
	require.Empty(t, proxyOptions(Options{}, c).RedisAddr)
}
