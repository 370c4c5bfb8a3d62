package backend

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdleConnectionsAreClosed(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.IdleTimeout = 20 * time.Millisecond }), srv.dial)
	p := ps.Pool(testKey)
	kept := lease(t, p, Empty)
	ps.Release(lease(t, p, Empty), true)
	runJanitor(t, ps)
	eventually(t, func() bool { return p.Stat().Idle == 0 }, "closed")
	assert.Equal(t, 1, p.Stat().Active)
	ps.Release(kept, true)
	eventually(t, func() bool { return len(ps.all()) == 0 }, "the pool itself is removed")
	again := lease(t, p, Empty)
	assert.Len(t, ps.all(), 1, "through its old handle")
	ps.Release(again, true)
}

func TestLifetimeEndsWhileIdleToo(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxLifetime = 40 * time.Millisecond }), srv.dial)
	p := ps.Pool(testKey)
	start := time.Now()
	ps.Release(lease(t, p, Empty), true)
	runJanitor(t, ps)
	eventually(t, func() bool { return p.Stat().Idle == 0 }, "closed")
	assert.GreaterOrEqual(t, time.Since(start), 36*time.Millisecond, "a tenth of jitter")
}

func TestMinConnectionsAreKept(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MinConnections, c.IdleTimeout = 3, 20*time.Millisecond }), srv.dial)
	p := ps.Pool(testKey)
	runJanitor(t, ps)
	assert.Zero(t, srv.dials.Load(), "nobody came yet")
	ps.Release(lease(t, p, Empty), true)
	eventually(t, func() bool { return p.Stat().Idle == 3 }, "dialled")
	var conns []*Conn
	for range 5 {
		conns = append(conns, lease(t, p, Empty))
	}
	for _, c := range conns {
		ps.Release(c, true)
	}
	eventually(t, func() bool { return p.Stat().Idle == 3 }, "idle_timeout leaves them")
	ps.DropDatabase(t.Context(), testKey.Database)
	eventually(t, func() bool { return len(ps.all()) == 0 }, "not dialled again before a client comes")
}

func TestMinConnectionsNeedALoginThatWorked(t *testing.T) {
	srv := &fakeServer{}
	srv.failWith(errRefused)
	ps := newPools(t, testConfig(func(c *Config) { c.MinConnections = 3 }), srv.dial)
	p := ps.Pool(testKey)
	_, err := p.Acquire(t.Context(), nil, Empty)
	require.ErrorIs(t, err, errRefused)
	ps.tidy(t.Context())
	assert.EqualValues(t, 1, srv.dials.Load())
	assert.Empty(t, ps.all(), "and the pool does not stay")
}

func TestRefillRests(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MinConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	ps.Release(lease(t, p, Empty), false)
	srv.failWith(errRefused)
	ps.tidy(t.Context())
	ps.tidy(t.Context())
	assert.EqualValues(t, 2, srv.dials.Load(), "once per redialAfter")
	assert.Len(t, ps.all(), 1)
	p.mu.Lock()
	p.mu.retryAt = 0
	p.mu.Unlock()
	srv.failWith(&ServerError{Code: "3D000"})
	ps.tidy(t.Context())
	ps.tidy(t.Context())
	assert.Empty(t, ps.all(), "the database is gone: not kept")
}

func TestJanitorClosesWhatTheServerClosed(t *testing.T) {
	ps := newPools(t, testConfig(nil), nil)
	p := ps.Pool(realKey("postgres"))
	a, b := lease(t, p, Empty), lease(t, p, Empty)
	ps.Release(a, true)
	ps.Release(b, true)
	terminateBackend(t, a.PID)
	aged(p)
	ps.tidy(t.Context())
	assert.Equal(t, 1, p.Stat().Idle)
	require.Same(t, b, lease(t, p, Empty))
	ps.Release(b, true)
}

func TestRunEndsWithContext(t *testing.T) {
	ps := newPools(t, testConfig(nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := later(t, func() error { return ps.Run(ctx) })
	cancel()
	require.NoError(t, <-done)
}
