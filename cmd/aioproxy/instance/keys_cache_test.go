package instance_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/configs/configsize"
)

func cacheEffects() []effect {
	one := func(key, was string, set change, is string, see func(*testing.T, *front) string) effect {
		key = "cache." + key
		return trial{keys: []string{key}, base: keepAll, steps: []step{{nil, was}, {set, is}}, see: see}.effect(key)
	}
	shared := func(key, was string, set change, is string) effect {
		key = "cache." + key
		return effect{key, []string{key}, func(t *testing.T) {
			base := join(keepAll, inRedis(key))
			namespace := namespaceOf(base)
			trial{keys: []string{key}, base: base, steps: []step{{nil, was}, {set, is}}, see: func(t *testing.T, f *front) string {
				return seeRedis(t, f, namespace)
			}}.run(t, bed)
		}}
	}
	return []effect{
		one("max_result_size", "hit", func(cfg *configs.Config) { cfg.Cache.MaxResultSize = configsize.KiB }, "miss",
			func(t *testing.T, f *front) string {
				return cachedAgain(t, client(t, f), "SELECT text FROM big WHERE id = 1")
			}),
		one("default_ttl", "kept", func(cfg *configs.Config) { cfg.Cache.DefaultTTL = soon / 8 }, "expired", seeLifetime),
		one("time_ttl", "bypass", func(cfg *configs.Config) { cfg.Cache.TimeTTL = time.Hour }, "hit", seeTimed),
		one("min_cost", "hit", func(cfg *configs.Config) { cfg.Cache.MinCost = time.Hour }, "miss", seeCache),
		one("flight_wait", "1 runs", func(cfg *configs.Config) { cfg.Cache.FlightWait = soon / 8 }, "2 run", seeFlight),
		trial{keys: []string{"cache.memory_limit"}, see: seeKeptOfMany, base: func(cfg *configs.Config) {
			keepAll(cfg)
			cfg.Cache.MaxResultSize = configsize.MiB
		}, steps: []step{
			{nil, "all"}, {func(cfg *configs.Config) { cfg.Cache.MemoryLimit = configsize.MiB }, "some"},
		}}.effect("cache.memory_limit"),
		shared("store", "in redis", func(cfg *configs.Config) { cfg.Cache.Store = store.Memory }, "not in redis"),
		shared("redis.address", "in redis", func(cfg *configs.Config) { cfg.Cache.Redis.Address = deadAddress() }, "not in redis"),
		shared("redis.database", "in redis", func(cfg *configs.Config) { cfg.Cache.Redis.Database = 1 }, "not in redis"),
		shared("redis.namespace", "in redis", func(cfg *configs.Config) { cfg.Cache.Redis.Namespace = "keys_another" }, "not in redis"),
		{"cache.redis.username", []string{"cache.redis.username", "cache.redis.password"}, showRedisLogin},
		{"cache.redis.max_connections", []string{"cache.redis.max_connections"}, showRedisConnections},
	}
}

// inRedis has results kept in Redis, in a namespace for one key's trial.
func inRedis(key string) change {
	return func(cfg *configs.Config) {
		cfg.Cache.Store = store.Redis
		cfg.Cache.Redis.Address = bed.Redis().Addr()
		cfg.Cache.Redis.Namespace = strings.ReplaceAll("keys_"+key, ".", "_")
		cfg.Cache.Redis.Timeout = time.Second
		cfg.Cache.Redis.InvalidateTimeout = time.Second
	}
}

func namespaceOf(c change) string {
	cfg := configs.Default()
	c(&cfg)
	return cfg.Cache.Redis.Namespace
}

// deadAddress is one where nobody listens.
func deadAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func redisClient(t *testing.T) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: bed.Redis().Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// seeRedis tells whether a result ended up in Redis, in database 0 and in the namespace. It must be kept somewhere.
func seeRedis(t *testing.T, f *front, namespace string) string {
	t.Helper()
	c := redisClient(t)
	pattern := "aioproxy:{" + namespace + "}:e*"
	stale, err := c.Keys(t.Context(), pattern).Result()
	require.NoError(t, err)
	if len(stale) > 0 {
		require.NoError(t, c.Del(t.Context(), stale...).Err())
	}
	conn := client(t, f)
	cachedAgain(t, conn, probe)
	fresh, err := c.Keys(t.Context(), pattern).Result()
	require.NoError(t, err)
	if len(fresh) > 0 {
		return "in redis"
	}
	return "not in redis"
}

func showRedisLogin(t *testing.T) {
	c := redisClient(t)
	ctx := context.WithoutCancel(t.Context())
	require.NoError(t, c.Do(ctx, "ACL", "SETUSER", "keys_user", "reset", "on", ">right", "~*", "&*", "+@all").Err())
	t.Cleanup(func() {
		last := redis.NewClient(&redis.Options{Addr: bed.Redis().Addr()})
		require.NoError(t, last.Do(ctx, "ACL", "DELUSER", "keys_user").Err())
		require.NoError(t, last.Close())
	})
	base := join(keepAll, inRedis("login"))
	trial{
		keys: []string{"cache.redis.username", "cache.redis.password"}, base: base,
		see: func(t *testing.T, f *front) string { return seeRedis(t, f, namespaceOf(base)) },
		steps: []step{
			{redisLogin("keys_user", "right"), "in redis"},
			{redisLogin("keys_user", "wrong"), "not in redis"},
			{redisLogin("keys_user", "right"), "in redis"},
			{redisLogin("keys_other", "right"), "not in redis"},
		},
	}.run(t, bed)
}

func redisLogin(user, password string) change {
	return func(cfg *configs.Config) { cfg.Cache.Redis.Username, cfg.Cache.Redis.Password = user, password }
}

// showRedisConnections counts at Redis the connections that are not subscriptions, while many clients look results up.
func showRedisConnections(t *testing.T) {
	c := redisClient(t)
	ctx := context.WithoutCancel(t.Context())
	require.NoError(t, c.Do(ctx, "ACL", "SETUSER", "keys_many", "reset", "on", ">p", "~*", "&*", "+@all").Err())
	t.Cleanup(func() {
		last := redis.NewClient(&redis.Options{Addr: bed.Redis().Addr()})
		require.NoError(t, last.Do(ctx, "ACL", "DELUSER", "keys_many").Err())
		require.NoError(t, last.Close())
	})
	trial{
		keys: []string{"cache.redis.max_connections"}, base: join(keepAll, inRedis("many"), redisLogin("keys_many", "p")),
		see: func(t *testing.T, f *front) string {
			client(t, f)
			var clients sync.WaitGroup
			for range 8 {
				conn := connect(t, f.dsn(keysDB))
				clients.Go(func() {
					for range 20 {
						if _, err := trySimple(t.Context(), conn, unique(probe)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			clients.Wait()
			list, err := c.Do(ctx, "CLIENT", "LIST").Text()
			require.NoError(t, err)
			n := 0
			for line := range strings.Lines(list) {
				if strings.Contains(line, "user=keys_many") && strings.Contains(line, " sub=0 ") {
					n++
				}
			}
			if n > 2 {
				return "many"
			}
			return fmt.Sprint(n)
		},
		steps: []step{
			{func(cfg *configs.Config) { cfg.Cache.Redis.MaxConnections = 1 }, "1"},
			{nil, "many"},
		},
	}.run(t, bed)
}

// seeFlight counts how many of two clients that ask for the same run the query.
func seeFlight(t *testing.T, f *front) string {
	table, release := hold(t)
	sql := unique("SELECT name FROM " + table + " WHERE id = 1")
	defer release()
	for range 2 {
		ended := running(t, client(t, f), sql)
		defer func() {
			release()
			require.NoError(t, <-ended)
		}()
	}
	awaitBlocked(t, sql, 1)
	direct := connect(t, bed.Primary().DSN("postgres"))
	for end := time.Now().Add(soon); time.Now().Before(end); {
		var n int
		require.NoError(t, direct.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND starts_with(query, $1)`, sql).Scan(&n))
		if n == 2 {
			return "2 run"
		}
	}
	return "1 runs"
}

// seeKeptOfMany asks twice for 4 MB in 40 results.
func seeKeptOfMany(t *testing.T, f *front) string {
	conn := client(t, f)
	hits := 0
	for round := range 2 {
		for id := range 40 {
			_, h := simple(t, conn, fmt.Sprintf("SELECT text FROM big WHERE id = %d", id+1))
			if round == 1 && h.cache == "hit" {
				hits++
			}
		}
	}
	switch hits {
	case 40:
		return "all"
	case 0:
		return "none"
	}
	return "some"
}
