package instance_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

func nodeEffects() []effect {
	readiness := func(key string, steps ...step) effect {
		return trial{keys: []string{key}, steps: steps, see: readiness}.effect(key)
	}
	return []effect{
		trial{keys: []string{"nodes"}, base: olapOnReplica, see: seeTarget, steps: []step{
			{func(cfg *configs.Config) { cfg.Cluster.Nodes = bed.Addrs() }, "replica"},
			{func(cfg *configs.Config) { cfg.Cluster.Nodes = bed.Addrs()[:1] }, "primary"},
		}}.effect("nodes"),
		readiness("control.user", step{nil, ready},
			step{func(cfg *configs.Config) { cfg.Proxy.Control.User = "keys_nobody" }, notReady}),
		readiness("control.database", step{nil, ready},
			step{func(cfg *configs.Config) { cfg.Proxy.Control.Database = "keys_nowhere" }, notReady}),
		readiness("control.sslmode", step{nil, ready}, // the servers have no TLS
			step{func(cfg *configs.Config) { cfg.Proxy.Control.SSLMode = "require" }, notReady}),
		{"control.password", []string{"control.password"}, showControlPassword},
		{"check_interval", []string{"check_interval"}, showCheckInterval},
		{"check_timeout", []string{"check_timeout"}, showCheckTimeout},
		trial{keys: []string{"consistency"}, base: olapOnReplica, see: seeAsked, steps: []step{
			{nil, "asked"},
			{func(cfg *configs.Config) { cfg.Router.Consistency = "eventual" }, "not asked"},
			{func(cfg *configs.Config) { cfg.Router.Consistency = "session" }, "asked after a write"},
		}}.effect("consistency"),
		{"servers of its own", []string{"max_replica_lag", "replica_wait", "control.sslmode"}, showOnOwnServers},
	}
}

// olapOnReplica sends the probe to the replica.
func olapOnReplica(cfg *configs.Config) {
	cfg.Router.Classes.OLTP.Route = "replica"
	cfg.Cluster.ReplicaWait = 2 * time.Second
}

func showControlPassword(t *testing.T) {
	user := guest(t, "keys_control", "SUPERUSER PASSWORD 'right'")
	trial{
		keys: []string{"control.password"}, see: readiness, base: func(cfg *configs.Config) { cfg.Proxy.Control.User = user },
		steps: []step{
			{func(cfg *configs.Config) { cfg.Proxy.Control.Password = "right" }, ready},
			{func(cfg *configs.Config) { cfg.Proxy.Control.Password = "wrong" }, notReady},
		},
	}.run(t, bed)
}

// showCheckInterval looks at the primary whether it is asked again.
func showCheckInterval(t *testing.T) {
	user := guest(t, "keys_checks", "SUPERUSER PASSWORD 'p'")
	direct := connect(t, bed.Primary().DSN("postgres"))
	trial{
		keys: []string{"check_interval"},
		base: func(cfg *configs.Config) { cfg.Proxy.Control.User, cfg.Proxy.Control.Password = user, "p" },
		see: func(t *testing.T, _ *front) string {
			asked := func() (at string) {
				require.NoError(t, direct.QueryRow(t.Context(),
					"SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE usename = $1", user).Scan(&at))
				return at
			}
			for first, end := asked(), time.Now().Add(soon); time.Now().Before(end); {
				if asked() != first {
					return "again"
				}
			}
			return "once"
		},
		steps: []step{
			{func(cfg *configs.Config) { cfg.Cluster.CheckInterval = time.Hour }, "once"},
			{func(cfg *configs.Config) { cfg.Cluster.CheckInterval = soon / 20 }, "again"},
		},
	}.run(t, bed)
}

// showCheckTimeout has a server that falls silent.
func showCheckTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]string{time.Hour: ready, soon / 8: notReady} {
		g := newGate(t, bed.Primary().Addr())
		f := start(t, bed, func(cfg *configs.Config) {
			cfg.Cluster.Nodes, cfg.Cluster.CheckInterval, cfg.Cluster.CheckTimeout = []string{g.addr()}, soon/20, timeout
		})
		until(t, "the primary is found", func() bool { return readiness(t, f) == ready })
		func() {
			g.open.Lock()
			defer g.open.Unlock()
			seen := ready
			for end := time.Now().Add(2 * soon); seen == ready && time.Now().Before(end); {
				seen = readiness(t, f)
			}
			require.Equal(t, want, seen, "check_timeout %s", timeout)
		}()
	}
}

// seeAsked tells whether the primary is asked for its position before a replica answers.
func seeAsked(t *testing.T, f *front) string {
	conn := client(t, f)
	read := func() bool {
		before := answered(t, f)
		_, h := one(t, conn, unique(probe))
		require.Contains(t, []string{"replica", "primary"}, h.target)
		return answered(t, f) != before
	}
	if _, h := one(t, conn, unique(probe)); h.target != "replica" {
		return h.target + ": " + h.reason
	}
	if read() {
		return "asked"
	}
	exec(t, conn, "SELECT pg_catalog.txid_current()")
	if read() {
		return "asked after a write"
	}
	return "not asked"
}

// answered is how often the primary told its position to reads.
func answered(t *testing.T, f *front) string {
	t.Helper()
	_, metrics := page(t, f, "/metrics")
	for line := range strings.Lines(metrics) {
		if n, ok := strings.CutPrefix(line, `aioproxy_cluster_position_answers_total{role="primary"} `); ok {
			return strings.TrimSpace(n)
		}
	}
	return "0"
}

// showOnOwnServers is for what others would notice: replay that stands still, servers that offer TLS.
func showOnOwnServers(t *testing.T) {
	c, err := testbed.Start(t.Context(), testbed.Options{Replicas: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	db := sample(t, c, keysDB, itemsSchema)
	showLag(t, c, db)
	showServerTLS(t, c)
}

// showServerTLS looks at the primary whether connections to it are encrypted: that of a client's statement, and those of
// the control role.
func showServerTLS(t *testing.T, c *testbed.Cluster) {
	t.Helper()
	cert, key := certificate(t, "server")
	direct := connect(t, c.Primary().DSN("postgres"))
	for file, path := range map[string]string{"server.crt": cert, "server.key": key} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		exec(t, direct, "COPY (SELECT regexp_split_to_table('"+string(text)+"', '\n')) TO PROGRAM 'umask 077; cat > "+file+"'")
	}
	exec(t, direct, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
	until(t, "TLS is offered", func() bool {
		return login(t, strings.Replace(c.Primary().DSN("postgres"), "disable", "require", 1)) == "ok"
	})
	const encrypted = "SELECT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE "
	mode := func(m string) change { return func(cfg *configs.Config) { cfg.Proxy.Control.SSLMode = m } }
	trial{
		keys: []string{"control.sslmode"}, base: func(cfg *configs.Config) { cfg.Cluster.Nodes = c.Addrs()[:1] },
		steps: []step{{mode("disable"), "false, false"}, {mode("prefer"), "true, true"}, {mode("require"), "true, true"}},
		see: func(t *testing.T, f *front) string {
			own, _ := one(t, connect(t, f.dsn(keysDB)), encrypted+"pid = pg_backend_pid()")
			control, err := trySimple(t.Context(), direct, encrypted+"application_name = 'aioproxy' ORDER BY backend_start DESC LIMIT 1")
			require.NoError(t, err)
			require.Len(t, control, 1)
			return own + ", " + control[0][0]
		},
	}.run(t, c)
}

func showLag(t *testing.T, c *testbed.Cluster, db string) {
	t.Helper()
	waits := trial{
		keys: []string{"replica_wait"}, base: func(cfg *configs.Config) {
			olapOnReplica(cfg)
			cfg.Cluster.MaxReplicaLag = time.Hour
		},
		steps: []step{
			{func(cfg *configs.Config) { cfg.Cluster.ReplicaWait = soon }, "primary, waited"},
			{func(cfg *configs.Config) { cfg.Cluster.ReplicaWait = 0 }, "primary"},
		},
		see: func(t *testing.T, f *front) string {
			require.NoError(t, c.Primary().Exec(t.Context(), db, "UPDATE items SET name = name WHERE id = 2"))
			conn := client(t, f)
			_, h := one(t, conn, unique(probe))
			if waited(t, conn, unique(probe)) >= soon {
				return h.target + ", waited"
			}
			return h.target
		},
	}
	lags := trial{
		keys: []string{"max_replica_lag"}, base: func(cfg *configs.Config) {
			olapOnReplica(cfg)
			cfg.Cluster.CheckInterval = soon / 20
			cfg.Router.Consistency = "eventual"
		},
		steps: []step{
			{func(cfg *configs.Config) { cfg.Cluster.MaxReplicaLag = time.Hour }, "replica"},
			{func(cfg *configs.Config) { cfg.Cluster.MaxReplicaLag = soon / 20 }, "primary"},
		},
		see: func(t *testing.T, f *front) string {
			require.NoError(t, c.Primary().Exec(t.Context(), db, "UPDATE items SET name = name WHERE id = 2"))
			return seeTarget(t, f)
		},
	}
	require.NoError(t, c.Replicas()[0].PauseReplay(t.Context()))
	waits.run(t, c)
	lags.run(t, c)
	require.NoError(t, c.Replicas()[0].ResumeReplay(t.Context()))
}

// waited is how long a statement waited before it ran.
func waited(t *testing.T, conn *pgx.Conn, sql string) time.Duration {
	t.Helper()
	exec(t, conn, sql)
	rows, err := trySimple(t.Context(), conn, "SHOW aioproxy.last")
	require.NoError(t, err)
	ms, err := strconv.ParseFloat(rows[0][7], 64) // wait_ms
	require.NoError(t, err)
	return time.Duration(ms * float64(time.Millisecond))
}
