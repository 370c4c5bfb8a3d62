package store

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachStore runs a test on both kinds of store.
func eachStore(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, memoryConfig()) })
	t.Run("redis", func(t *testing.T) { test(t, redisConfig(t)) })
}

func TestGetReturnsWhatWasPut(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s, on := open(t, cfg), tables(1, 2)
		assert.Equal(t, Miss, status(s, key1, on))
		ctx := context.Background()
		want := result("rows")
		require.Equal(t, Kept, s.Put(ctx, key1, want, s.Fence(ctx, on), time.Minute))
		got, st := s.Get(ctx, key1, on)
		require.Equal(t, HitMemory, st)
		assert.Equal(t, want, got)
		assert.Equal(t, Miss, status(s, key2, on))
		assert.Equal(t, 1, s.Stats().Entries)
		assert.Greater(t, s.Stats().Bytes, uint64(want.Size()))
		assert.InDelta(t, 1, counted(t, s.metrics.lookups[HitMemory]), 0)
	})
}

func TestInvalidateVoids(t *testing.T) {
	for name, changed := range map[string]cachepolicy.Table{
		"a table":        {Database: "shop", Rel: 2},
		"the database":   {Database: "shop"},
		"all there is":   cachepolicy.Everything,
		"the last table": {Database: "shop", Rel: 3},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, cfg Config) {
				s, on := open(t, cfg), tables(1, 2, 3)
				fill(t, s, key1, on, "old")
				s.Invalidate(context.Background(), []cachepolicy.Table{changed})
				assert.False(t, status(s, key1, on).Hit())
				forgetLocally(s)
				assert.False(t, status(s, key1, on).Hit(), "not from Redis either")
				fill(t, s, key1, on, "new")
				e, st := s.Get(context.Background(), key1, on)
				require.Equal(t, HitMemory, st)
				assert.Equal(t, "new", string(e.Rows))
			})
		})
	}
}

func TestInvalidateLeavesOthers(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s, on := open(t, cfg), tables(1)
		fill(t, s, key1, on, "rows")
		s.Invalidate(context.Background(), tables(2, 3))
		s.Invalidate(context.Background(), []cachepolicy.Table{{Database: "other"}, {Database: "other", Rel: 1}})
		s.Invalidate(context.Background(), nil)
		assert.Equal(t, HitMemory, status(s, key1, on))
		forgetLocally(s)
		if s.remote != nil {
			assert.Equal(t, HitRedis, status(s, key1, on))
			assert.Equal(t, HitMemory, status(s, key1, on), "copied")
		}
	})
}

func TestAnOvertakenResultIsNotKept(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s, on, ctx := open(t, cfg), tables(1), context.Background()
		fence := s.Fence(ctx, on)
		s.Invalidate(ctx, tables(1))
		assert.Equal(t, Overtaken, s.Put(ctx, key1, result("old"), fence, 0))
		assert.Equal(t, Miss, status(s, key1, on))
	})
}

func TestAnEntryOfOtherTablesIsVoid(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s := open(t, cfg)
		fill(t, s, key1, tables(1), "rows")
		assert.Equal(t, Void, status(s, key1, tables(1, 2)))
	})
}

func TestTimeToLive(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s, on, ctx := open(t, cfg), tables(1), context.Background()
		e := result("rows")
		require.Equal(t, Kept, s.Put(ctx, key1, e, s.Fence(ctx, on), 30*time.Millisecond))
		await(t, "the entry to expire", func() bool { return !status(s, key1, on).Hit() })
		assert.GreaterOrEqual(t, time.Since(e.Created), 30*time.Millisecond)
		e.Created = time.Now().Add(-time.Hour)
		assert.Equal(t, TooOld, s.Put(ctx, key1, e, s.Fence(ctx, on), time.Minute))
	})
}

func TestWhatIsNotKept(t *testing.T) {
	cfg := memoryConfig()
	cfg.MaxResultSize, cfg.MinCost = 1000, 10*time.Millisecond
	s, on, ctx := open(t, cfg), tables(1), context.Background()
	assert.Equal(t, TooLarge, s.Put(ctx, key1, result(strings.Repeat("x", 1000)), s.Fence(ctx, on), 0))
	cheap := result("rows")
	cheap.Cost = 9 * time.Millisecond
	assert.Equal(t, TooCheap, s.Put(ctx, key1, cheap, s.Fence(ctx, on), 0))
	assert.Equal(t, Miss, status(s, key1, on))
	assert.InDelta(t, 1, counted(t, s.metrics.fills.WithLabelValues("too_large")), 0)
}

func TestMemoryIsBounded(t *testing.T) {
	cfg := memoryConfig()
	cfg.MemoryLimit, cfg.MaxResultSize = 1<<20, 1<<19
	s := open(t, cfg)
	for i := range 200 {
		fill(t, s, cachepolicy.Key{byte(i), 9}, tables(1), strings.Repeat("x", 20_000))
		require.LessOrEqual(t, s.Stats().Bytes, uint64(1<<20)+30_000)
	}
	assert.Positive(t, counted(t, s.metrics.evictions))
}

func TestClear(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s, on := open(t, cfg), tables(1)
		fill(t, s, key1, on, "rows")
		s.Clear(context.Background())
		assert.False(t, status(s, key1, on).Hit())
		assert.Zero(t, s.Stats().Entries)
	})
}

// table is one row of one byte that queries read and a writer changes.
type table struct {
	sync.RWMutex
	value byte
}

func (r *table) read() byte {
	r.RLock()
	defer r.RUnlock()
	return r.value
}

func (r *table) write(v byte) {
	r.Lock()
	defer r.Unlock()
	r.value = v
}

// keepFilling looks up and fills until done is closed, as sessions do.
func keepFilling(s *Store, row *table, done <-chan struct{}) {
	ctx, on := context.Background(), tables(1)
	for {
		select {
		case <-done:
			return
		default:
		}
		if _, st := s.Get(ctx, key1, on); !st.Hit() {
			fence := s.Fence(ctx, on)
			s.Put(ctx, key1, result(string([]byte{row.read()})), fence, 0)
		}
	}
}

// TestNoFillOutlivesAWrite lets readers of two instances fill while a writer changes the table. Once Invalidate has
// returned, no lookup of the writer's instance, and none in Redis by the other, may give what was there before.
func TestNoFillOutlivesAWrite(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		a, b := open(t, cfg), open(t, cfg)
		ctx, on := context.Background(), tables(1)
		var row table
		var readers sync.WaitGroup
		done := make(chan struct{})
		readers.Go(func() { keepFilling(a, &row, done) })
		readers.Go(func() { keepFilling(b, &row, done) })
		hits := 0
		for v := byte(1); v < 40; v++ {
			row.write(v)
			a.Invalidate(ctx, on)
			for range 4 {
				runtime.Gosched()
				if e, st := a.Get(ctx, key1, on); st.Hit() {
					assert.Equal(t, v, e.Rows[0])
					hits++
				}
				if b.remote == nil {
					continue
				}
				if r, st := b.remote.get(ctx, key1, on, time.Now()); st.Hit() {
					assert.Equal(t, v, r.entry.Rows[0])
					hits++
				}
			}
		}
		await(t, "a hit", func() bool { return status(a, key1, on).Hit() })
		close(done)
		readers.Wait()
		t.Logf("%d hits between the writes", hits)
	})
}

func TestTheClockIsBounded(t *testing.T) {
	c := newClock()
	since := c.read()
	require.True(t, c.valid(tables(7), since))
	for rel := range catalog.RelID(maxChanges + 1) {
		c.change(tables(rel + 100))
	}
	assert.False(t, c.valid(tables(7), since), "what is not remembered is void")
	assert.True(t, c.valid(tables(7), c.read()))
	assert.LessOrEqual(t, len(c.mu.changed), maxChanges)
}

func TestConfigSaysWhatToWrite(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	for key, change := range map[string]func(*Config){
		"cache.store":                    func(c *Config) { c.Store = "disk" },
		"cache.memory_limit":             func(c *Config) { c.MemoryLimit = 1 },
		"cache.max_result_size":          func(c *Config) { c.MaxResultSize = c.MemoryLimit + 1 },
		"cache.default_ttl":              func(c *Config) { c.DefaultTTL = 0 },
		"cache.time_ttl":                 func(c *Config) { c.TimeTTL = -1 },
		"cache.min_cost":                 func(c *Config) { c.MinCost = -1 },
		"cache.flight_wait":              func(c *Config) { c.FlightWait = 0 },
		"cache.redis.address":            func(c *Config) { c.Redis.Address = "redis" },
		"cache.redis.database":           func(c *Config) { c.Redis.Database = -1 },
		"cache.redis.max_connections":    func(c *Config) { c.Redis.MaxConnections = 0 },
		"cache.redis.timeout":            func(c *Config) { c.Redis.Timeout = 0 },
		"cache.redis.invalidate_timeout": func(c *Config) { c.Redis.InvalidateTimeout = 0 },
		"cache.redis.namespace":          func(c *Config) { c.Redis.Namespace = "a{b" },
	} {
		cfg := DefaultConfig()
		cfg.Store = Redis
		change(&cfg)
		require.ErrorContains(t, cfg.Validate(), key)
		_, err := New(context.Background(), cfg, Deps{})
		require.ErrorContains(t, err, key)
	}
}
