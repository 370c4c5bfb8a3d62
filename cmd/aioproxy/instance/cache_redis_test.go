package instance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

// withRedis keeps results in the Redis of c, apart from those of other tests.
func withRedis(c *testbed.Cluster, namespace string) func(*configs.Config) {
	return func(cfg *configs.Config) {
		keepAll(cfg)
		cfg.Cache.Store = "redis"
		cfg.Cache.Redis.Address = c.Redis().Addr()
		cfg.Cache.Redis.Namespace = namespace
	}
}

func TestInstancesShareRedis(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_shared", writesSchema)
	a, b := start(t, bed, withRedis(bed, "shared")), start(t, bed, withRedis(bed, "shared"))
	connA, connB := connect(t, a.dsn(db)), connect(t, b.dsn(db))
	direct := connect(t, bed.Primary().DSN(db))
	known(t, connA, sumT)
	known(t, connB, sumT)
	t.Run("a result of one is a hit on the other", func(t *testing.T) {
		until(t, "kept in Redis", func() bool {
			one(t, connA, sumT)
			_, h := one(t, connB, sumT)
			return h.cache == "hit"
		})
		_, h := one(t, connB, sumT)
		require.Equal(t, "memory", h.cacheReason)
	})
	for _, w := range writes {
		if strings.HasPrefix(w.name, "after ") {
			continue // see TestSchemaChangesReachOtherInstances
		}
		t.Run(w.name, func(t *testing.T) {
			known(t, connB, w.read)
			checkWriteElsewhere(t, func() string {
				rows, err := trySimple(t.Context(), direct, w.read)
				require.NoError(t, err)
				return rows[0][0]
			}, func() (string, happened) { return one(t, connB, w.read) }, func() {
				exec(t, connect(t, a.dsn(db)), w.write)
			})
		})
	}
	t.Run("after a restart", func(t *testing.T) {
		known(t, connA, sumT)
		var got string
		until(t, "a hit", func() bool {
			var h happened
			got, h = one(t, connA, sumT)
			return h.cache == "hit"
		})
		c := start(t, bed, withRedis(bed, "shared"))
		connC := connect(t, c.dsn(db))
		known(t, connC, sumT)
		again, h := one(t, connC, sumT)
		require.Equal(t, got, again)
		require.Equal(t, "hit redis", h.cache+" "+h.cacheReason)
	})
}

// checkWriteElsewhere makes read hit its instance's own tier, then writes through another instance. What is read then may
// be told to the reading instance by a message that is under way when the writer has its answer.
func checkWriteElsewhere(t *testing.T, truth func() string, read func() (string, happened), write func()) {
	t.Helper()
	before := truth()
	until(t, "a hit", func() bool {
		got, h := read()
		require.Equal(t, before, got)
		return h.cache == "hit" && h.cacheReason == "memory"
	})
	write()
	after := truth()
	require.NotEqual(t, before, after)
	written := time.Now()
	var took time.Duration
	until(t, "the other instance has heard of it", func() bool {
		got, _ := read()
		took = time.Since(written)
		return got == after
	})
	require.Less(t, took, 200*time.Millisecond)
}

// A view that is replaced through one instance makes the results of the other depend on other tables.
func TestSchemaChangesReachOtherInstances(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_schema", writesSchema)
	a, b := start(t, bed, withRedis(bed, "schema")), start(t, bed, withRedis(bed, "schema"))
	connA, connB := connect(t, a.dsn(db)), connect(t, b.dsn(db))
	known(t, connA, sumShift)
	known(t, connB, sumShift)
	one(t, connB, sumShift)
	exec(t, connA, "CREATE OR REPLACE VIEW shifting AS SELECT id, n FROM base2")
	var before string
	until(t, "a hit", func() bool {
		got, h := one(t, connB, sumShift)
		before = got
		return h.cache == "hit" && got != "5050"
	})
	known(t, connA, "SELECT count(*) FROM base2")
	exec(t, connA, "UPDATE base2 SET n = n + 1")
	until(t, "the write is heard of", func() bool {
		got, _ := one(t, connB, sumShift)
		return got != before
	})
}

func TestSickRedisIsNeverAnErrorAndNeverStale(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, err := testbed.Start(ctx, testbed.Options{Redis: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	db := sample(t, c, "cache_sick", writesSchema)
	a, b := start(t, c, withRedis(c, "sick")), start(t, c, withRedis(c, "sick"))
	connA, connB := connect(t, a.dsn(db)), connect(t, b.dsn(db))
	direct := connect(t, c.Primary().DSN(db))
	known(t, connA, sumT)
	known(t, connB, sumT)
	texts := 0
	// usable waits until both instances use Redis: what one keeps there, the other finds.
	usable := func() {
		t.Helper()
		for _, way := range [][2]*pgx.Conn{{connA, connB}, {connB, connA}} {
			until(t, "Redis is used", func() bool {
				texts++
				query := fmt.Sprintf("/* %d */ %s", texts, sumT)
				kept, _ := one(t, way[0], query)
				got, h := one(t, way[1], query)
				require.Equal(t, kept, got)
				return h.cacheReason == "redis"
			})
		}
		one(t, connA, sumT)
		one(t, connB, sumT)
	}
	// writeAndRead writes through the proxies in turn. grace is how long the other may answer from its own tier.
	writeAndRead := func(t *testing.T, grace time.Duration) {
		t.Helper()
		for i := range 6 {
			writer, reader := connA, connB
			if i%2 == 1 {
				writer, reader = connB, connA
			}
			exec(t, writer, "UPDATE t SET n = n + 1 WHERE id = 1")
			written := time.Now()
			rows, err := trySimple(ctx, direct, sumT)
			require.NoError(t, err)
			own, _ := one(t, writer, sumT)
			require.Equal(t, rows[0][0], own, "through the writer's own instance")
			for {
				got, h := one(t, reader, sumT)
				if got == rows[0][0] {
					break
				}
				require.Less(t, time.Since(written), grace, "stale through the other instance: %+v", h)
			}
		}
	}
	client := redis.NewClient(&redis.Options{Addr: c.Redis().Addr(), DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })
	// message is for an invalidation to arrive. recovery is documented in cachepolicy/store: while one instance cannot reach
	// Redis and the other can, the other does not hear of its writes; two heartbeats or the longest pause of the keeper.
	const message, recovery = 200 * time.Millisecond, 2 * time.Second
	t.Run("well", func(t *testing.T) { usable(); writeAndRead(t, message) })
	t.Run("flushed", func(t *testing.T) {
		usable()
		require.NoError(t, client.FlushAll(context.WithoutCancel(ctx)).Err())
		writeAndRead(t, message)
		usable()
	})
	t.Run("rubbish", func(t *testing.T) {
		usable()
		keys, err := client.Keys(ctx, "*").Result()
		require.NoError(t, err)
		require.NotEmpty(t, keys)
		for _, k := range keys {
			require.NoError(t, client.Set(ctx, k, "rubbish", 0).Err())
		}
		writeAndRead(t, message)
		for _, k := range keys {
			require.NoError(t, client.Del(ctx, k).Err())
			require.NoError(t, client.LPush(ctx, k, "a list").Err())
		}
		writeAndRead(t, message)
	})
	t.Run("killed", func(t *testing.T) {
		usable()
		c.Redis().Kill()
		writeAndRead(t, message)
		require.NoError(t, c.Redis().Start())
		writeAndRead(t, recovery)
		usable()
		writeAndRead(t, message)
	})
	t.Run("frozen", func(t *testing.T) {
		usable()
		require.NoError(t, c.Redis().Freeze())
		writeAndRead(t, recovery)
		require.NoError(t, c.Redis().Thaw())
		writeAndRead(t, recovery)
		usable()
		writeAndRead(t, message)
	})
}
