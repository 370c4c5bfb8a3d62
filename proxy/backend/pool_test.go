package backend

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/auth"
)

var testKey = Key{Node: "n1:5432", Database: "d", User: "u"}

// lease acquires or fails the test.
func lease(t *testing.T, p *Pool, want *Settings) *Conn {
	t.Helper()
	c, err := p.Acquire(t.Context(), nil, want)
	require.NoError(t, err)
	return c
}

func TestAcquirePrefersMatchingThenHot(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	p := ps.Pool(testKey)
	x, y := with("a.b", "x"), with("a.b", "y")
	a, b, c := lease(t, p, Empty), lease(t, p, Empty), lease(t, p, Empty)
	a.Applied, b.Applied = x, y
	for _, conn := range []*Conn{a, b, c} {
		ps.Release(conn, true)
	}
	assert.Same(t, a, lease(t, p, x), "settings match")
	assert.Same(t, c, lease(t, p, x), "the hottest")
	assert.Same(t, b, lease(t, p, x))
	assert.EqualValues(t, 3, srv.dials.Load())
	for _, conn := range []*Conn{a, b, c} {
		ps.Release(conn, true)
	}
	assert.Equal(t, 3, p.Stat().Idle)
}

func TestTimeoutSaysHowThingsStood(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 1, 20*time.Millisecond }), srv.dial)
	c := lease(t, ps.Pool(testKey), Empty)
	_, err := ps.Acquire(t.Context(), testKey, nil, Empty)
	require.ErrorIs(t, err, ErrTimeout)
	var timeout *TimeoutError
	require.ErrorAs(t, err, &timeout)
	assert.Equal(t, 1, timeout.MaxConnections)
	assert.GreaterOrEqual(t, timeout.Waited, 20*time.Millisecond)
	assert.ErrorContains(t, err, "pool.max_connections")
	ps.Release(c, true)
	st := ps.Pool(testKey).Stat()
	assert.EqualValues(t, 1, st.Timeouts)
	assert.Zero(t, st.Waiting)
	assert.Equal(t, 1, st.Idle)
}

func TestWaitEndsWithContext(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 1, 0 }), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	gone := errors.New("client gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, done := queue(ctx, t, p)
	cancel(gone)
	require.ErrorIs(t, <-done, gone)
	ps.Release(c, true)
	assert.Equal(t, 1, p.Stat().Idle)
}

func TestFirstComeFirstServed(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	var wg sync.WaitGroup
	order := make(chan int, 50)
	for i := range cap(order) {
		wg.Go(func() {
			c, err := p.Acquire(context.Background(), nil, Empty)
			if assert.NoError(t, err) {
				order <- i
				ps.Release(c, true)
			}
		})
		eventually(t, func() bool { return p.Stat().Waiting == i+1 }, "queued")
	}
	assert.Positive(t, p.Stat().OldestWait)
	ps.Release(c, true)
	wg.Wait()
	for i := range cap(order) {
		require.Equal(t, i, <-order)
	}
	assert.EqualValues(t, 1, srv.dials.Load())
}

func TestFailedDialWakesNextWaiter(t *testing.T) {
	srv := &fakeServer{block: make(chan struct{})}
	srv.failWith(errRefused)
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	results := make(chan error, 5)
	var wg sync.WaitGroup
	for range cap(results) {
		wg.Go(func() {
			_, err := p.Acquire(context.Background(), nil, Empty)
			results <- err
		})
	}
	eventually(t, func() bool { s := p.Stat(); return s.Waiting == 4 && s.Dialing == 1 }, "one dials, four wait")
	close(srv.block)
	wg.Wait()
	for range cap(results) {
		require.ErrorIs(t, <-results, errRefused)
	}
	assert.EqualValues(t, 5, srv.dials.Load())
	srv.failWith(nil)
	ps.Release(lease(t, p, Empty), true)
}

func TestTimeoutTellsWhyDialsFail(t *testing.T) {
	srv := &fakeServer{block: make(chan struct{})}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 1, 30*time.Millisecond }), srv.dial)
	p := ps.Pool(testKey)
	p.mu.Lock()
	p.mu.lastDial = errRefused
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := p.Acquire(ctx, nil, Empty)
		assert.ErrorIs(t, err, context.Canceled)
	})
	eventually(t, func() bool { return p.Stat().Dialing == 1 }, "dialling")
	_, err := p.Acquire(t.Context(), nil, Empty)
	require.ErrorIs(t, err, ErrTimeout)
	require.ErrorIs(t, err, errRefused)
	cancel()
	wg.Wait()
}

func TestDiscardGivesPlaceToWaiter(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	second, done := queue(t.Context(), t, p)
	ps.Release(c, false)
	require.NoError(t, <-done)
	assert.NotSame(t, c, *second)
	assert.EqualValues(t, 2, srv.dials.Load())
	ps.Release(*second, true)
}

func TestWhatIsNotKept(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	c.Tainted = true
	ps.Release(c, true)
	assert.Zero(t, p.Stat().Open(), "tainted")

	c = lease(t, p, Empty)
	ps.Drop(testKey.Node)
	assert.Equal(t, 1, p.Stat().Open(), "dropped while leased")
	ps.Release(c, true)
	assert.Zero(t, p.Stat().Open())

	c = lease(t, p, Empty)
	ps.Release(c, true)
	ps.Drop("another:1")
	assert.Equal(t, 1, p.Stat().Idle)
	ps.Drop(testKey.Node)
	assert.Zero(t, p.Stat().Open(), "dropped while idle")

	c = lease(t, p, Empty)
	cfg := *ps.config()
	cfg.MaxLifetime = 1
	ps.Reload(cfg)
	ps.Release(c, true)
	assert.Zero(t, p.Stat().Open(), "too old")
}

func TestReleasedTwiceIsRefused(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	ps.Release(c, true)
	ps.Release(c, true)
	assert.Equal(t, 1, p.Stat().Idle)
}

func TestReloadChangesMaxConnections(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	a := lease(t, p, Empty)
	b, done := queue(t.Context(), t, p)
	ps.Reload(testConfig(func(c *Config) { c.MaxConnections = 2 }))
	require.NoError(t, <-done)
	ps.Reload(testConfig(func(c *Config) { c.MaxConnections = 1 }))
	ps.Release(a, true)
	ps.Release(*b, true)
	assert.Equal(t, 1, p.Stat().Open(), "the surplus is closed")
	ps.Reload(testConfig(nil))
	conns := []*Conn{lease(t, p, Empty), lease(t, p, Empty), lease(t, p, Empty)}
	for _, c := range conns {
		ps.Release(c, true)
	}
	ps.Reload(testConfig(func(c *Config) { c.MaxConnections = 2 }))
	ps.tidy(t.Context())
	assert.Equal(t, 2, p.Stat().Open(), "idle surplus too")
}

func TestLatestCredentialsAreUsed(t *testing.T) {
	var seen []*auth.Credentials
	dial := func(_ context.Context, cfg DialConfig) (*Conn, error) {
		seen = append(seen, cfg.Credentials)
		return &Conn{Applied: Empty}, nil
	}
	ps := newPools(t, testConfig(nil), dial)
	first, second := &auth.Credentials{Password: "1"}, &auth.Credentials{Password: "2"}
	for _, cred := range []*auth.Credentials{first, second, nil} {
		c, err := ps.Acquire(t.Context(), testKey, cred, Empty)
		require.NoError(t, err)
		ps.Release(c, false)
	}
	require.Len(t, seen, 3)
	assert.Same(t, first, seen[0])
	assert.Same(t, second, seen[1])
	assert.Same(t, second, seen[2])
}

func TestCloseWaitsForLeases(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	_, waiting := queue(t.Context(), t, p)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, ps.Close(short), context.DeadlineExceeded)
	require.ErrorIs(t, <-waiting, ErrClosed)
	_, err := ps.Acquire(t.Context(), testKey, nil, Empty)
	require.ErrorIs(t, err, ErrClosed)
	_, err = ps.Acquire(t.Context(), Key{Node: "new"}, nil, Empty)
	require.ErrorIs(t, err, ErrClosed)
	closed := later(t, func() error { return ps.Close(context.Background()) })
	ps.Release(c, true)
	require.NoError(t, <-closed)
	assert.Zero(t, p.Stat().Open())
}
