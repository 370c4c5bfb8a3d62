package testbed

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

var servers *Cluster

func TestMain(m *testing.M) {
	opt := Options{Replicas: 1, Redis: true, Conf: map[string]string{"application_name": "it's"}}
	os.Exit(Main(m, opt, func(c *Cluster) { servers = c }))
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func value[T any](t *testing.T, n *Node, sql string, args ...any) T {
	t.Helper()
	ctx := deadline(t)
	conn, err := n.Connect(ctx, "postgres")
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	var v T
	require.NoError(t, conn.QueryRow(ctx, sql, args...).Scan(&v))
	return v
}

func TestReplicaSeesWrites(t *testing.T) {
	ctx := deadline(t)
	primary, replica := servers.Primary(), servers.Replicas()[0]
	require.NoError(t, primary.Exec(ctx, "postgres", "CREATE TABLE seen (x int)", "INSERT INTO seen VALUES (7)"))
	require.NoError(t, servers.CatchUp(ctx))
	require.Equal(t, 7, value[int](t, replica, "SELECT x FROM seen"))
	require.True(t, value[bool](t, replica, "SELECT pg_is_in_recovery()"))
	require.False(t, value[bool](t, primary, "SELECT pg_is_in_recovery()"))
	require.Error(t, replica.Exec(ctx, "postgres", "INSERT INTO seen VALUES (8)"))
}

func TestConfigurationReachesEveryNode(t *testing.T) {
	for _, n := range servers.Nodes() {
		require.Equal(t, "off", value[string](t, n, "SHOW fsync"))
		require.Equal(t, "64MB", value[string](t, n, "SHOW shared_buffers"))
		require.Equal(t, "it's", value[string](t, n, "SHOW application_name"))
	}
}

func TestLoginRules(t *testing.T) {
	ctx := deadline(t)
	p := servers.Primary()
	require.NoError(t, p.Exec(ctx, "postgres",
		"CREATE ROLE alice LOGIN PASSWORD 'secret'", "CREATE ROLE bob LOGIN IN ROLE trusted"))
	login := func(user, password string) error {
		conn, err := pgx.Connect(ctx, p.UserDSN(user, password, "postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	require.NoError(t, login("alice", "secret"))
	require.ErrorContains(t, login("alice", "wrong"), "28P01")
	require.NoError(t, login("bob", ""))
}

func TestDelayAndPause(t *testing.T) {
	ctx := deadline(t)
	primary, replica := servers.Primary(), servers.Replicas()[0]
	require.NoError(t, replica.PauseReplay(ctx))
	require.NoError(t, primary.Exec(ctx, "postgres", "CREATE TABLE paused ()"))
	require.True(t, value[bool](t, replica, "SELECT to_regclass('paused') IS NULL"))
	require.NoError(t, replica.ResumeReplay(ctx))
	require.NoError(t, servers.CatchUp(ctx))
	require.False(t, value[bool](t, replica, "SELECT to_regclass('paused') IS NULL"))

	const delay = time.Second
	require.NoError(t, replica.Delay(ctx, delay))
	require.Eventually(t, func() bool { return value[string](t, replica, "SHOW recovery_min_apply_delay") == "1s" },
		10*time.Second, 10*time.Millisecond)
	require.NoError(t, primary.Exec(ctx, "postgres", "CREATE TABLE late ()"))
	committed := time.Now()
	require.NoError(t, servers.CatchUp(ctx))
	require.Greater(t, time.Since(committed), delay/2)
	require.NoError(t, replica.Delay(ctx, 0))
}

func TestStopKillStart(t *testing.T) {
	ctx := deadline(t)
	p := servers.Primary()
	addr := p.Addr()
	require.NoError(t, p.Exec(ctx, "postgres", "CREATE TABLE kept ()"))
	for name, end := range map[string]func() error{
		"fast":      func() error { return p.Stop("fast") },
		"immediate": func() error { return p.Stop("immediate") },
		"kill":      func() error { p.Kill(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, end())
			require.False(t, p.Running())
			_, err := p.Connect(ctx, "postgres")
			require.Error(t, err)
			require.NoError(t, p.Start())
			require.NoError(t, p.Start(), "starting a running server does nothing")
			require.Equal(t, addr, p.Addr())
			require.True(t, value[bool](t, p, "SELECT to_regclass('kept') IS NOT NULL"))
		})
	}
	require.Error(t, p.Stop("gently"))
	require.True(t, p.Running())
	require.NoError(t, p.Exec(ctx, "postgres", "CREATE TABLE after_restart ()"))
	require.NoError(t, servers.CatchUp(ctx), "the replica comes back by itself")
}

func TestFreeze(t *testing.T) {
	p := servers.Primary()
	require.NoError(t, p.Freeze())
	t.Cleanup(func() { _ = p.Thaw() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := p.Connect(ctx, "postgres")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, p.Thaw())
	require.Equal(t, 1, value[int](t, p, "SELECT 1"))

	require.NoError(t, p.Freeze())
	require.NoError(t, p.Stop("fast"), "a frozen server can be stopped")
	require.ErrorIs(t, p.Freeze(), ErrNotRunning)
	require.NoError(t, p.Start())
}

func TestRedisStopsAndStarts(t *testing.T) {
	r := servers.Redis()
	require.True(t, listening(r.Addr()))
	require.NoError(t, r.Stop())
	require.False(t, listening(r.Addr()))
	require.NoError(t, r.Start())
	require.True(t, listening(r.Addr()))
	r.Kill()
	require.False(t, listening(r.Addr()))
	require.NoError(t, r.Start())
}

func listening(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func TestPromote(t *testing.T) {
	ctx := deadline(t)
	c, err := Start(ctx, Options{Replicas: 2})
	require.NoError(t, err)
	dir := c.Dir()
	promoted, other := c.Replicas()[0], c.Replicas()[1]
	c.Primary().Kill()
	require.NoError(t, promoted.Promote(ctx))
	require.NoError(t, promoted.Exec(ctx, "postgres", "CREATE TABLE new_history ()"))
	require.NoError(t, other.Follow(ctx, promoted))
	require.NoError(t, other.CatchUp(ctx, promoted))
	require.True(t, value[bool](t, other, "SELECT to_regclass('new_history') IS NOT NULL"))

	require.NoError(t, c.Close())
	require.NoDirExists(t, dir)
	require.False(t, promoted.Running())
}
