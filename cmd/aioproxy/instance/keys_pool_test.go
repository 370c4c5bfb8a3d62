package instance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

func poolEffects() []effect {
	one := func(key string, base, a change, was string, b change, is string, see func(*testing.T, *front) string) effect {
		key = "pool." + key
		return trial{keys: []string{key}, base: base, steps: []step{{a, was}, {b, is}}, see: see}.effect(key)
	}
	return []effect{
		one("max_connections", func(cfg *configs.Config) { cfg.Pool.AcquireTimeout = soon / 4 },
			func(cfg *configs.Config) { cfg.Pool.MaxConnections = 1 }, "53300",
			func(cfg *configs.Config) { cfg.Pool.MaxConnections = 2 }, "ok", seeSecondStatement),
		one("acquire_timeout", func(cfg *configs.Config) { cfg.Pool.MaxConnections = 1 },
			func(cfg *configs.Config) { cfg.Pool.AcquireTimeout = 0 }, "waits",
			func(cfg *configs.Config) { cfg.Pool.AcquireTimeout = soon / 8 }, "53300", seeSecondStatement),
		pooled("min_connections", "1", func(cfg *configs.Config) { cfg.Pool.MinConnections = 3 }, "3", seeConnections),
		pooled("idle_timeout", "1", func(cfg *configs.Config) { cfg.Pool.IdleTimeout = soon / 8 }, "0", seeConnections),
		pooled("max_lifetime", "the same", func(cfg *configs.Config) { cfg.Pool.MaxLifetime = soon / 8 }, "another", seeReplaced),
		pooled("max_prepared_statements", "5", func(cfg *configs.Config) { cfg.Pool.MaxPreparedStatements = 2 }, "2", seePrepared),
		{"pool.connect_timeout", []string{"pool.connect_timeout"}, showConnectTimeout},
		{"pool.acquire_timeout for ever", []string{"pool.acquire_timeout"}, showForEver},
	}
}

// pooled is a trial with a role of its own, whose server connections are looked at on the primary.
func pooled(key, was string, set change, is string, see func(t *testing.T, f *front, user string) string) effect {
	key = "pool." + key
	return effect{key, []string{key}, func(t *testing.T) {
		user := guest(t, "keys_"+key[len("pool."):], "IN ROLE trusted")
		trial{
			keys: []string{key}, steps: []step{{nil, was}, {set, is}},
			see: func(t *testing.T, f *front) string { return see(t, f, user) },
		}.run(t, bed)
	}}
}

// seeSecondStatement tells how a statement fares while another client has a transaction open.
func seeSecondStatement(t *testing.T, f *front) string {
	second := connect(t, f.dsn(keysDB))
	first := connect(t, f.dsn(keysDB))
	exec(t, first, "BEGIN", "SELECT 1 FROM items")
	defer exec(t, first, "ROLLBACK")
	return attempt(t, second, probe)
}

func seeConnections(t *testing.T, f *front, user string) string {
	conn := connect(t, f.as(user, ""))
	exec(t, conn, probe)
	var n int
	direct := connect(t, bed.Primary().DSN("postgres"))
	count := func() int {
		require.NoError(t, direct.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", user).Scan(&n))
		return n
	}
	for end := time.Now().Add(soon / 2); count() == 1 && time.Now().Before(end); {
		continue // a while, in which connections come or go
	}
	return fmt.Sprint(n)
}

// seeReplaced tells whether a while later another server process answers.
func seeReplaced(t *testing.T, f *front, user string) string {
	conn := connect(t, f.as(user, ""))
	const pid = "SELECT pid FROM pg_stat_activity WHERE pid = pg_backend_pid()" // does not keep the connection
	first, _ := one(t, conn, pid)
	for end := time.Now().Add(soon / 2); time.Now().Before(end); {
		if now, _ := one(t, conn, pid); now != first {
			return "another"
		}
	}
	return "the same"
}

// seePrepared counts what is prepared on a new server connection after five statements.
func seePrepared(t *testing.T, f *front, user string) string {
	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+user+"'")
	awaitTrue(t, direct, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = $1", user)
	// In a function: a client that looks at the list itself sees its own statements.
	exec(t, connect(t, bed.Primary().DSN(keysDB)), "CREATE OR REPLACE FUNCTION keys_on_server() RETURNS bigint LANGUAGE sql "+
		"AS $$SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT%'$$")
	conn := connect(t, f.as(user, ""))
	exec(t, conn, "BEGIN")
	for i := range 5 {
		_, err := conn.Prepare(t.Context(), fmt.Sprint("s", i), fmt.Sprint("SELECT ", i))
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), fmt.Sprint("s", i))
		require.NoError(t, err)
	}
	n, _ := one(t, conn, "SELECT keys_on_server()")
	exec(t, conn, "ROLLBACK")
	return n
}

// showConnectTimeout has a server that accepts connections and says nothing.
func showConnectTimeout(t *testing.T) {
	g := newGate(t, bed.Primary().Addr())
	trial{
		keys: []string{"pool.connect_timeout"},
		base: func(cfg *configs.Config) {
			cfg.Cluster.Nodes, cfg.Cluster.CheckTimeout, cfg.Proxy.LoginTimeout = []string{g.addr()}, time.Hour, time.Hour
		},
		steps: []step{
			{func(cfg *configs.Config) { cfg.Pool.ConnectTimeout = time.Hour }, "waits"},
			{func(cfg *configs.Config) { cfg.Pool.ConnectTimeout = soon / 8 }, "refused"},
		},
		see: func(t *testing.T, f *front) string {
			until(t, "the primary is found", func() bool { return readiness(t, f) == ready })
			g.open.Lock()
			defer g.open.Unlock()
			ctx, stop := contextFor(t, soon)
			defer stop()
			conn, err := pgx.Connect(ctx, f.dsn(keysDB))
			if err == nil {
				_ = conn.Close(ctx)
				return "ok"
			}
			if got := outcome(err); got == "waits" {
				return got
			}
			return "refused"
		},
	}.run(t, bed)
}

// showForEver: without a limit a statement waits for a place of its class, and a write for a primary, until there is one.
func showForEver(t *testing.T) {
	trial{
		keys: []string{"pool.acquire_timeout"}, see: func(t *testing.T, f *front) string {
			table, release := hold(t)
			defer release()
			conn := client(t, f)
			text := unique(selectOn(table))
			first := running(t, conn, text)
			awaitBlocked(t, text, 1)
			got := attempt(t, connect(t, f.dsn(keysDB)), probe)
			release()
			require.NoError(t, <-first)
			return got
		},
		base: func(cfg *configs.Config) { cfg.Router.Classes.OLTP.MaxConcurrency = 1 },
		steps: []step{
			{func(cfg *configs.Config) { cfg.Pool.AcquireTimeout = soon / 8 }, "53300"},
			{func(cfg *configs.Config) { cfg.Pool.AcquireTimeout = 0 }, "waits"},
		},
	}.run(t, bed)
	replica := func(timeout time.Duration) *front {
		return start(t, bed, func(cfg *configs.Config) {
			cfg.Cluster.Nodes, cfg.Pool.AcquireTimeout = bed.Addrs()[1:], timeout
			cfg.Proxy.ShutdownTimeout = 0 // the write waits for longer
		})
	}
	write := func(f *front) string {
		return attempt(t, connect(t, f.dsn(keysDB)), "UPDATE items SET name = name WHERE id = 3")
	}
	require.Equal(t, "57P03", write(replica(soon/8)))
	require.Equal(t, "waits", write(replica(0)))
}
