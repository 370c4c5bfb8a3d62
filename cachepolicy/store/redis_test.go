package store

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twoInstances share one namespace.
func twoInstances(t *testing.T) (a, b *Store) {
	t.Helper()
	cfg := redisConfig(t)
	return open(t, cfg), open(t, cfg)
}

func TestInstancesShareResults(t *testing.T) {
	a, b := twoInstances(t)
	on := tables(1)
	fill(t, a, key1, on, "rows")
	e, st := b.Get(context.Background(), key1, on)
	require.Equal(t, HitRedis, st)
	assert.Equal(t, "rows", string(e.Rows))
	assert.Equal(t, HitMemory, status(b, key1, on))
}

func TestInstancesHearOfEachOthersWrites(t *testing.T) {
	a, b := twoInstances(t)
	on := tables(1)
	fill(t, a, key1, on, "old")
	require.Equal(t, HitRedis, status(b, key1, on))
	fence := b.Fence(context.Background(), on)
	a.Invalidate(context.Background(), on)
	assert.Equal(t, Void, b.remoteStatus(key1, on), "Redis knows at once")
	await(t, "the other instance to hear of the write", func() bool { return !status(b, key1, on).Hit() })
	assert.Equal(t, Overtaken, b.Put(context.Background(), key1, result("old"), fence, 0))
}

// TestAFillRacesAnotherInstancesWrite keeps a result in Redis whose fence is older than a write the filler never heard of.
func TestAFillRacesAnotherInstancesWrite(t *testing.T) {
	a, b := twoInstances(t)
	on, ctx := tables(1), context.Background()
	fence := b.Fence(ctx, on)
	a.Invalidate(ctx, on)
	rec := &record{entry: *result("old"), tables: on, tokens: fence.tokens, expires: time.Now().Add(time.Minute)}
	require.True(t, b.remote.put(ctx, key1, rec, time.Minute))
	assert.Equal(t, Void, status(a, key1, on))
}

func (s *Store) remoteStatus(key cachepolicy.Key, on []cachepolicy.Table) Status {
	_, st := s.remote.get(context.Background(), key, on, time.Now())
	return st
}

// raw is a client beside the store's.
func raw(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: servers.Redis().Addr()})
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

func TestRubbishIsAMissAndDeleted(t *testing.T) {
	s, on, ctx := open(t, redisConfig(t)), tables(1), context.Background()
	c, name := raw(t), newNames(s.cfg.Redis.Namespace).entry(key1)
	for i, value := range []string{"", "rubbish", magic, strings.Repeat("\xff", 5000)} {
		require.NoError(t, c.Set(ctx, name, value, 0).Err())
		assert.Equal(t, Rubbish, status(s, key1, on))
		assert.Zero(t, c.Exists(ctx, name).Val())
		assert.InDelta(t, i+1, counted(t, s.metrics.rubbish), 0)
	}
	require.NoError(t, c.LPush(ctx, name, "a list").Err())
	assert.Equal(t, Miss, status(s, key1, on))
	fill(t, s, key1, on, "rows")
	forgetLocally(s)
	assert.Equal(t, HitRedis, status(s, key1, on))
}

func TestRubbishVersionsAreReplaced(t *testing.T) {
	s, on, ctx := open(t, redisConfig(t)), tables(1), context.Background()
	fill(t, s, key1, on, "rows")
	forgetLocally(s)
	name := s.remote.names.token(on[0])
	require.NoError(t, raw(t).Set(ctx, name, "rubbish", 0).Err())
	assert.Equal(t, Void, status(s, key1, on))
	fill(t, s, key1, on, "rows")
	forgetLocally(s)
	assert.Equal(t, HitRedis, status(s, key1, on))
	require.NoError(t, raw(t).Del(ctx, name).Err())
	forgetLocally(s)
	assert.Equal(t, Void, status(s, key1, on), "an evicted version is a miss")
}

func TestARubbishMessageVoidsEverything(t *testing.T) {
	s, on := open(t, redisConfig(t)), tables(1)
	fill(t, s, key1, on, "rows")
	require.NoError(t, raw(t).Publish(context.Background(), s.remote.names.channel(), "rubbish").Err())
	await(t, "the message to arrive", func() bool { return counted(t, s.metrics.rubbish) == 1 })
	assert.Equal(t, HitRedis, status(s, key1, on), "from Redis, not from the process")
}

func TestRedisIsNotThereAtTheStart(t *testing.T) {
	cfg := redisConfig(t)
	require.NoError(t, servers.Redis().Stop())
	s, on, ctx := openCold(t, cfg), tables(1), context.Background()
	assert.Equal(t, Unavailable, status(s, key1, on))
	assert.Equal(t, NoTier, s.Put(ctx, key1, result("rows"), s.Fence(ctx, on), 0))
	s.Invalidate(ctx, on)
	require.NoError(t, servers.Redis().Start())
	await(t, "redis to be used", func() bool { return s.Stats().RedisUsable && s.Stats().MemoryUsable })
	fill(t, s, key1, on, "rows")
	forgetLocally(s)
	assert.Equal(t, HitRedis, status(s, key1, on))
}

func TestRedisIsKilledAndComesBackEmpty(t *testing.T) {
	s, on, ctx := open(t, redisConfig(t)), tables(1), context.Background()
	fill(t, s, key1, on, "rows")
	fence := s.Fence(ctx, on)
	servers.Redis().Kill()
	await(t, "the subscription to be lost", func() bool { return !s.Stats().MemoryUsable })
	assert.Equal(t, Unavailable, status(s, key1, on))
	assert.NotEqual(t, Kept, s.Put(ctx, key1, result("rows"), fence, 0))
	require.NoError(t, servers.Redis().Start())
	await(t, "redis to be used", func() bool { return s.Stats().RedisUsable && s.Stats().MemoryUsable })
	assert.Equal(t, Miss, status(s, key1, on))
	fill(t, s, key1, on, "rows")
	assert.Equal(t, HitMemory, status(s, key1, on))
}

// TestARestoredSnapshotIsNotTrusted makes Redis look like one that was restarted from an old snapshot: another process
// whose data says that the last good one was yet another.
func TestARestoredSnapshotIsNotTrusted(t *testing.T) {
	s, on, ctx := open(t, redisConfig(t)), tables(1), context.Background()
	fill(t, s, key1, on, "rows")
	c := raw(t)
	require.NoError(t, c.Set(ctx, s.remote.names.process(), "the process before", 0).Err())
	require.NoError(t, c.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err())
	forgetLocally(s)
	await(t, "a new connection", func() bool { return status(s, key1, on) == Void })
	assert.NotEqual(t, "the process before", c.Get(ctx, s.remote.names.process()).Val())
}

// TestAnUndeliveredInvalidation freezes Redis during a write: what it holds must not be read again by anyone.
func TestAnUndeliveredInvalidation(t *testing.T) {
	a, b := twoInstances(t)
	on := tables(1)
	fill(t, a, key1, on, "old")
	fill(t, a, key2, tables(2), "rows")
	require.NoError(t, servers.Redis().Freeze())
	began := time.Now()
	a.Invalidate(context.Background(), on)
	took := time.Since(began)
	assert.False(t, a.Stats().RedisUsable)
	assert.False(t, status(a, key1, on).Hit())
	require.NoError(t, servers.Redis().Thaw())
	assert.GreaterOrEqual(t, took, a.cfg.Redis.InvalidateTimeout)
	assert.Less(t, took, 4*a.cfg.Redis.InvalidateTimeout)
	for _, s := range []*Store{a, b} {
		await(t, "redis to be used", func() bool { return s.Stats().RedisUsable && s.Stats().MemoryUsable })
	}
	assert.False(t, status(a, key1, on).Hit())
	await(t, "the other instance to hear of it", func() bool { return !status(b, key1, on).Hit() })
	assert.False(t, b.remoteStatus(key2, tables(2)).Hit(), "nobody knows what was missed")
	fill(t, a, key1, on, "new")
	await(t, "the new result", func() bool { return status(b, key1, on).Hit() })
}

func TestASlowRedisDoesNotSlowQueries(t *testing.T) {
	cfg := redisConfig(t)
	cfg.Redis.Timeout = 50 * time.Millisecond
	link := newLink(t, servers.Redis().Addr())
	cfg.Redis.Address = link.addr()
	s, on := open(t, cfg), tables(1)
	fill(t, s, key1, on, "rows")
	forgetLocally(s)
	require.Equal(t, HitRedis, status(s, key1, on))
	link.delay.Store(int64(150 * time.Millisecond))
	for i := 0; s.Stats().RedisUsable && i < 10; i++ {
		forgetLocally(s)
		began := time.Now()
		assert.Equal(t, Unavailable, status(s, key1, on))
		assert.Less(t, time.Since(began), 140*time.Millisecond)
	}
	require.False(t, s.Stats().RedisUsable)
	began := time.Now()
	for range 100 {
		assert.Equal(t, Unavailable, status(s, key2, on))
	}
	assert.Less(t, time.Since(began), 50*time.Millisecond, "it is not asked any more")
	link.delay.Store(0)
	await(t, "redis to be used", func() bool { return s.Stats().RedisUsable })
	forgetLocally(s)
	await(t, "a hit", func() bool { return status(s, key1, on).Hit() })
}

func TestASilentSubscriptionIsLost(t *testing.T) {
	cfg := redisConfig(t)
	link := newLink(t, servers.Redis().Addr())
	cfg.Redis.Address = link.addr()
	s, on := open(t, cfg), tables(1)
	fill(t, s, key1, on, "rows")
	link.delay.Store(int64(time.Hour)) // as if a cable was pulled
	await(t, "the silence to be noticed", func() bool { return !s.Stats().MemoryUsable })
	assert.False(t, status(s, key1, on).Hit())
	link.reset()
	await(t, "redis to be used", func() bool { return s.Stats().RedisUsable && s.Stats().MemoryUsable })
}

func TestAClientThatGaveUpIsNotRedissFault(t *testing.T) {
	s := open(t, redisConfig(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 * maxFailures {
		_, st := s.Get(ctx, key1, tables(1))
		assert.Equal(t, Unavailable, st)
	}
	assert.True(t, s.Stats().RedisUsable)
	fill(t, s, key1, tables(1), "rows")
	s.Invalidate(ctx, tables(1))
	assert.True(t, s.Stats().RedisUsable, "an invalidation is delivered all the same")
	assert.Equal(t, Void, s.remoteStatus(key1, tables(1)))
}

// link is a TCP relay that can be made slow.
type link struct {
	t      testing.TB
	target string
	ln     net.Listener
	delay  atomic.Int64 // before each chunk of an answer
	work   sync.WaitGroup
	mu     struct {
		sync.Mutex
		cut   chan struct{} // closed to end all connections
		conns []net.Conn
	}
}

func newLink(t testing.TB, target string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{t: t, target: target, ln: ln}
	l.mu.cut = make(chan struct{})
	l.work.Go(l.accept)
	t.Cleanup(func() {
		assert.NoError(t, ln.Close())
		l.reset()
		l.work.Wait()
	})
	return l
}

func (l *link) addr() string { return l.ln.Addr().String() }

// reset ends all connections; later ones are fast.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay.Store(0)
	close(l.mu.cut)
	l.mu.cut = make(chan struct{})
	for _, c := range l.mu.conns {
		_ = c.Close()
	}
	l.mu.conns = nil
}

func (l *link) accept() {
	for {
		client, err := l.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.mu.Lock()
		cut := l.mu.cut
		l.mu.conns = append(l.mu.conns, client, server)
		l.mu.Unlock()
		l.work.Go(func() { l.relay(server, client, nil) })
		l.work.Go(func() { l.relay(client, server, cut) })
	}
}

// relay copies until either side ends, slowly if cut is given.
func (l *link) relay(to, from net.Conn, cut chan struct{}) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if d := time.Duration(l.delay.Load()); d > 0 && cut != nil {
			select {
			case <-cut:
				return
			case <-time.After(d):
			}
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
