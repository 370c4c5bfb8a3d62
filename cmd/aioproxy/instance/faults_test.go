package instance_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

const (
	faultPatience = 60 * time.Second
	faultInterval = 10 * time.Millisecond

	writeWait = 500 * time.Millisecond // how long a write waits for a primary

	// spareGoroutines is what the proxy may have more after a load than before it: connections to Redis and timers of its own.
	spareGoroutines = 5

	// longestPause bounds the longest pause of anybody but writers without a primary. It is generous: tests run beside others.
	longestPause = 10 * time.Second
)

// TestFaultsUnderLoad kills one server after the other under steady work and says what the clients saw.
func TestFaultsUnderLoad(t *testing.T) {
	c := ownCluster(t)
	f := start(t, c, func(cfg *configs.Config) {
		cfg.Pool.MaxConnections, cfg.Pool.AcquireTimeout = 4, writeWait
		cfg.Cluster.CheckInterval, cfg.Cluster.ReplicaWait = 100*time.Millisecond, time.Second
		cfg.Cache.Store, cfg.Cache.Redis.Address, cfg.Cache.MinCost = "redis", c.Redis().Addr(), 0
	})
	facts := faultTables(t, c)
	goroutines := runtime.NumGoroutine()
	l := startLoad(t, f.dsn("postgres"), facts)
	defer func() { t.Logf("what the clients saw:\n%s", l.report()) }()
	everything := []string{kindWrite, kindPoint, kindAnalytic, kindCached}

	readyzSays(t, f, "ready: primary: true, usable replicas: 1")
	l.flows(t, 100, everything...)
	usesReplica(t, f, l)

	l.enter("replica killed")
	c.Replicas()[0].Kill()
	readyzSays(t, f, "ready: primary: true, usable replicas: 0")
	l.flows(t, 100, everything...)
	l.enter("replica is back")
	require.NoError(t, c.Replicas()[0].Start())
	readyzSays(t, f, "ready: primary: true, usable replicas: 1")
	l.flows(t, 100, everything...)
	usesReplica(t, f, l)

	l.enter("redis killed")
	c.Redis().Kill()
	l.flows(t, 100, everything...)
	l.enter("redis is back, empty")
	require.NoError(t, c.Redis().Start())
	l.flows(t, 100, everything...)
	usesRedis(t, c)
	readyzSays(t, f, "ready: primary: true, usable replicas: 1")

	l.enter("primary restarted")
	require.NoError(t, c.Primary().Stop("fast"))
	require.NoError(t, c.Primary().Start())
	l.flows(t, 100, everything...)
	readyzSays(t, f, "ready: primary: true, usable replicas: 1")
	usesReplica(t, f, l)

	promoted := c.Replicas()[0]
	l.enter("primary killed")
	l.lenient.Store(true)
	require.NoError(t, c.Primary().Stop("immediate"))
	readyzSays(t, f, "ready: primary: false, usable replicas: 1")
	l.enter("no primary")
	reckonLoss(t, promoted, l)
	l.flows(t, 100, kindPoint, kindAnalytic, kindCached)
	require.Eventually(t, func() bool { return l.failures(kindWrite, "57P03") > 3 }, faultPatience, faultInterval)
	require.Zero(t, l.successes(kindWrite))

	l.enter("replica promoted")
	began := time.Now()
	require.NoError(t, promoted.Promote(t.Context()))
	took := time.Since(began)
	l.flows(t, 1, kindWrite)
	t.Logf("promotion took %v; the first write was acknowledged %v later", took, time.Since(began)-took)
	readyzSays(t, f, "ready: primary: true, usable replicas: 0")
	l.enter("after the failover")
	l.flows(t, 100, everything...)

	l.end()
	judgeLoad(t, l)
	nothingLeaks(t, f, promoted)
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+spareGoroutines }, faultPatience, faultInterval,
		"goroutines of sessions end with them")
}

// ownCluster is one that the test may kill.
func ownCluster(t *testing.T) *testbed.Cluster {
	t.Helper()
	conf := map[string]string{"wal_retrieve_retry_interval": "200ms"} // until a replica looks for its primary again
	c, err := testbed.Start(t.Context(), testbed.Options{Replicas: 1, Redis: true, Conf: conf})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// faultTables makes the tables of the load and returns the answer of factsTotal.
func faultTables(t *testing.T, c *testbed.Cluster) string {
	t.Helper()
	require.NoError(t, c.Primary().Exec(t.Context(), "postgres",
		"CREATE TABLE counters (id int PRIMARY KEY, n bigint)",
		"INSERT INTO counters SELECT i, 0 FROM generate_series(1, 20000) i",
		"CREATE TABLE facts (kind text, amount int)",
		"INSERT INTO facts SELECT 'kind ' || i % 3, i FROM generate_series(1, 20000) i",
		"VACUUM ANALYZE"))
	require.NoError(t, c.CatchUp(t.Context()))
	conn, err := c.Primary().Connect(t.Context(), "postgres")
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	facts, err := factsAnswer(t.Context(), conn)
	require.NoError(t, err)
	return facts
}

// readyzSays waits until /readyz says this.
func readyzSays(t *testing.T, f *front, says string) {
	t.Helper()
	var body string
	require.Eventually(t, func() bool {
		body = strings.TrimSpace(fetchAdmin(t, f, "/readyz"))
		return body == says
	}, faultPatience, faultInterval, "/readyz shall say %q", says)
}

func fetchAdmin(t *testing.T, f *front, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.AdminAddr().String()+path, nil)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(body)
}

// metricLines are those of /metrics that begin with a prefix, to be compared with later ones.
func metricLines(t *testing.T, f *front, prefix string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(fetchAdmin(t, f, "/metrics")) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// usesReplica requires that analytic reads run on the replica, now.
func usesReplica(t *testing.T, f *front, l *faultLoad) {
	t.Helper()
	const series = `database_queries_total{class="olap",status="ok",target="replica"}`
	before := metricLines(t, f, series)
	require.Eventually(t, func() bool { return metricLines(t, f, series) != before }, faultPatience, faultInterval, "analytic reads use the replica")
	l.flows(t, 1, kindAnalytic)
}

// usesRedis requires that results are written to the Redis that came back without any.
func usesRedis(t *testing.T, c *testbed.Cluster) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: c.Redis().Addr()})
	defer func() { require.NoError(t, client.Close()) }()
	require.Eventually(t, func() bool {
		n, err := client.DBSize(t.Context()).Result()
		return err == nil && n > 0
	}, faultPatience, faultInterval, "results are kept in Redis")
}

// reckonLoss says which acknowledged commits never reached the replica, which is asynchronous: those the promotion loses.
// From then on the counters of the replica are what everybody must see.
func reckonLoss(t *testing.T, replica *testbed.Node, l *faultLoad) {
	t.Helper()
	conn, err := replica.Connect(t.Context(), "postgres")
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	becomesTrue(t, conn, "SELECT pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
	rows, err := conn.Query(t.Context(), "SELECT n FROM counters WHERE id <= $1 ORDER BY id", faultWriters)
	require.NoError(t, err)
	survived, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	for i, n := range survived {
		lost := max(0, l.acked[i].Load()-n)
		t.Logf("writer %d: %d commits acknowledged, the last %d of them not replicated in time", i+1, l.acked[i].Load(), lost)
		l.acked[i].Store(n)
	}
	l.lenient.Store(false)
}

// judgeLoad requires what must hold whatever happens.
func judgeLoad(t *testing.T, l *faultLoad) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.mu.wrong, "wrong results")
	for stage, kinds := range l.mu.seen {
		for kind, s := range kinds {
			switch {
			case kind != kindWrite:
				require.Empty(t, s.errors, "%s: errors of %ss", stage, kind)
				require.Less(t, s.pause, longestPause, "%s: pause of %ss", stage, kind)
			case stage == "primary restarted", stage == "primary killed", stage == "no primary", stage == "replica promoted":
				for code := range s.errors {
					require.Contains(t, []string{"57P01", "57P02", "57P03", "08006"}, code, stage)
				}
			default:
				require.Empty(t, s.errors, "%s: errors of writes", stage)
				require.Less(t, s.pause, faultPatience)
			}
		}
	}
}

// nothingLeaks requires that only the proxy's pool is left on the server, and that it is idle.
func nothingLeaks(t *testing.T, f *front, n *testbed.Node) {
	t.Helper()
	require.Eventually(t, func() bool {
		for line := range strings.Lines(metricLines(t, f, "database_active_connections")) {
			if !strings.HasSuffix(strings.TrimSpace(line), " 0") {
				return false
			}
		}
		return strings.TrimSpace(metricLines(t, f, "aioproxy_proxy_clients ")) == "aioproxy_proxy_clients 0"
	}, faultPatience, faultInterval, "no server connection is in use")
	conn, err := n.Connect(t.Context(), "postgres")
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	becomesTrue(t, conn, `SELECT count(*) <= 4 AND bool_and(state = 'idle') FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND application_name <> 'aioproxy' AND pid <> pg_backend_pid()`)
}

func becomesTrue(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var ok bool
		return conn.QueryRow(t.Context(), sql).Scan(&ok) == nil && ok
	}, faultPatience, faultInterval, sql)
}
