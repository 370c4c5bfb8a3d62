package cluster

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
)

var bed *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{Replicas: 2}, func(c *testbed.Cluster) { bed = c }))
}

func connect(ctx context.Context, addr string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, "postgres://postgres@"+addr+"/postgres?sslmode=disable")
}

// changes collects what OnChange is told.
type changes struct {
	sync.Mutex
	all []*Snapshot
}

func (c *changes) add(s *Snapshot) {
	c.Lock()
	defer c.Unlock()
	c.all = append(c.all, s)
}

// watch runs a cluster over the servers until the test ends and waits for the first check of all.
func watch(t *testing.T, servers *testbed.Cluster, tune func(*Config)) (*Cluster, *changes) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Nodes = servers.Addrs()
	cfg.CheckInterval = 50 * time.Millisecond
	cfg.ReplicaWait = 5 * time.Second // tests that want less say so
	if tune != nil {
		tune(&cfg)
	}
	require.NoError(t, cfg.Validate())
	seen := &changes{}
	c := New(cfg, Deps{Connect: connect, Log: zaptest.NewLogger(t), Metrics: NewMetrics(prometheus.NewRegistry()), OnChange: seen.add})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	limit, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	require.NoError(t, c.WaitChecked(limit))
	return c, seen
}

func eventually(t *testing.T, cond func() bool, msg string) {
	t.Helper()
	require.Eventually(t, cond, 30*time.Second, 5*time.Millisecond, msg)
}

func exec(t *testing.T, n *testbed.Node, statements ...string) {
	t.Helper()
	require.NoError(t, n.Exec(t.Context(), "postgres", statements...))
}

func bothUsable(c *Cluster) func() bool {
	return func() bool { return c.Snapshot().UsableReplicas() == 2 && c.Snapshot().PrimaryIndex == 0 }
}
