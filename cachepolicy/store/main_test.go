package store

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
)

var servers *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{Redis: true}, func(c *testbed.Cluster) { servers = c }))
}

const patience = 10 * time.Second

var spaces atomic.Int64

// redisConfig has a namespace of its own for each test.
func redisConfig(t testing.TB) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Store = Redis
	cfg.MinCost = 0
	cfg.Redis.Address = servers.Redis().Addr()
	cfg.Redis.Namespace = fmt.Sprintf("test%d", spaces.Add(1))
	cfg.Redis.Timeout = 200 * time.Millisecond
	return cfg
}

func memoryConfig() Config {
	cfg := DefaultConfig()
	cfg.MinCost = 0
	return cfg
}

func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s := openCold(t, cfg)
	await(t, "the store to be usable", func() bool {
		st := s.Stats()
		return st.MemoryUsable && (!st.Redis || st.RedisUsable)
	})
	return s
}

// openCold does not wait for Redis.
func openCold(t testing.TB, cfg Config) *Store {
	t.Helper()
	ctx := context.Background()
	s, err := New(ctx, cfg, Deps{Log: zaptest.NewLogger(t), Metrics: NewMetrics(prometheus.NewRegistry())})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		assert.NoError(t, s.Close(ctx))
	})
	return s
}

func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, patience, 2*time.Millisecond, what)
}

var key1, key2 = cachepolicy.Key{1}, cachepolicy.Key{2}

func tables(rels ...catalog.RelID) []cachepolicy.Table {
	var out []cachepolicy.Table
	for _, rel := range rels {
		out = append(out, cachepolicy.Table{Database: "shop", Rel: rel})
	}
	return out
}

func result(rows string) *Entry {
	return &Entry{
		Position:       Position{Timeline: 3, LSN: 0x1_0000_0042},
		Snapshot:       "10:20:10,14",
		Created:        time.Now(),
		Cost:           30 * time.Millisecond,
		RowCount:       2,
		RowDescription: []byte("T...."),
		Rows:           []byte(rows),
		Tag:            []byte("C...SELECT 2"),
	}
}

// fill keeps a result as a query does that nothing overtakes.
func fill(t testing.TB, s *Store, key cachepolicy.Key, on []cachepolicy.Table, rows string) {
	t.Helper()
	ctx := context.Background()
	require.Equal(t, Kept, s.Put(ctx, key, result(rows), s.Fence(ctx, on), 0))
}

func status(s *Store, key cachepolicy.Key, on []cachepolicy.Table) Status {
	_, st := s.Get(context.Background(), key, on)
	return st
}

// forgetLocally leaves what is in Redis.
func forgetLocally(s *Store) { s.memory.cache.InvalidateAll() }

func counted(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}
