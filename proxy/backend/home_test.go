package backend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func settle(t *testing.T, p *Pool, id uint64) *Tenant {
	t.Helper()
	tenant := &Tenant{ID: id}
	require.NoError(t, p.Settle(t.Context(), nil, Empty, tenant))
	return tenant
}

func leaseFor(t *testing.T, p *Pool, tenant *Tenant) *Conn {
	t.Helper()
	c, err := p.AcquireFor(t.Context(), nil, Empty, tenant, nil)
	require.NoError(t, err)
	return c
}

func TestEveryTenantHasAHomeWhileThereAreConnections(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 2 }), srv.dial)
	p := ps.Pool(testKey)
	a, b, homeless := settle(t, p, 1), settle(t, p, 2), settle(t, p, 3)
	require.NotNil(t, a.Home())
	require.NotNil(t, b.Home())
	assert.NotSame(t, a.Home(), b.Home())
	assert.Nil(t, homeless.Home())
	assert.EqualValues(t, 2, srv.dials.Load())

	kept := a.Home()
	require.NoError(t, p.Settle(t.Context(), nil, Empty, a))
	assert.Same(t, kept, a.Home())

	for range 3 {
		for _, tenant := range []*Tenant{a, b} {
			c := leaseFor(t, p, tenant)
			assert.Same(t, tenant.Home(), c)
			ps.Release(c, true)
		}
	}
	guest := leaseFor(t, p, homeless)
	assert.Nil(t, homeless.Home(), "all are somebody's")
	owner, other := a, b
	if guest == b.Home() {
		owner, other = b, a
	}
	elsewhere := leaseFor(t, p, owner)
	assert.Same(t, other.Home(), elsewhere, "rather than wait")
	ps.Release(elsewhere, true)
	ps.Release(guest, true)

	a.Leave()
	late := settle(t, p, 4)
	require.NotNil(t, late.Home())
	assert.NotSame(t, b.Home(), late.Home())
	assert.EqualValues(t, 2, srv.dials.Load(), "it was vacant")
}

func TestStrangersPreferWhatIsNobodysHome(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	p := ps.Pool(testKey)
	plain := lease(t, p, Empty)
	ps.Release(plain, true)
	owner := &Tenant{ID: 1}
	vacant := lease(t, p, Empty) // so that the tenant gets another
	require.NoError(t, p.Settle(t.Context(), nil, Empty, owner))
	ps.Release(vacant, true)
	hot := leaseFor(t, p, owner)
	ps.Release(hot, true)
	require.Same(t, owner.Home(), hot)
	got := lease(t, p, Empty)
	assert.Same(t, vacant, got)
	ps.Release(got, true)
}

func TestOnlyHomeWaitsForIt(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 2 }), srv.dial)
	p := ps.Pool(testKey)
	a, b := settle(t, p, 1), settle(t, p, 2)
	guest, err := p.AcquireFor(t.Context(), nil, Empty, &Tenant{ID: 9}, a.Home())
	require.NoError(t, err)
	require.Same(t, a.Home(), guest)
	var got *Conn
	done := later(t, func() (err error) {
		got, err = p.AcquireHome(t.Context(), nil, Empty, a)
		return err
	})
	eventually(t, func() bool { return p.Stat().Waiting == 1 }, "waits although another is idle")
	other := leaseFor(t, p, b)
	ps.Release(other, true)
	assert.Equal(t, 1, p.Stat().Waiting, "another does not do")
	ps.Release(guest, true)
	require.NoError(t, <-done)
	assert.Same(t, a.Home(), got)
	ps.Release(got, true)
}

func TestOnlyHomeEndsWithTheHome(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	a := settle(t, p, 1)
	guest := leaseFor(t, p, &Tenant{ID: 9})
	done := later(t, func() error {
		c, err := p.AcquireHome(t.Context(), nil, Empty, a)
		if err == nil {
			ps.Release(c, true)
		}
		return err
	})
	eventually(t, func() bool { return p.Stat().Waiting == 1 }, "waits")
	ps.Release(guest, false)
	require.ErrorIs(t, <-done, ErrNotHome)
	_, err := p.AcquireHome(t.Context(), nil, Empty, a)
	require.ErrorIs(t, err, ErrNotHome)
	next := leaseFor(t, p, a)
	assert.Same(t, next, a.Home(), "at home on the next one")
	ps.Release(next, true)
}

// TestBereaved ends a real server process under its tenant.
func TestBereaved(t *testing.T) {
	type news struct {
		tenant uint64
		node   string
		words  []byte
	}
	heard := make(chan news, 1)
	ps := New(testConfig(nil), Deps{
		Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
		Bereaved: func(tenant uint64, node string, words []byte) { heard <- news{tenant, node, words} },
	})
	t.Cleanup(func() { require.NoError(t, ps.Close(context.Background())) })
	runJanitor(t, ps)
	p := ps.Pool(realKey("postgres"))
	a := settle(t, p, 7)
	require.Equal(t, "t", value(t, realDial(t), fmt.Sprintf("SELECT pg_terminate_backend(%d, 5000)", a.Home().PID)))
	n := <-heard
	assert.EqualValues(t, 7, n.tenant)
	assert.Equal(t, realKey("").Node, n.node)
	assert.Equal(t, "57P01", NewServerError(n.words[5:]).Code)
}

func TestHomesUnderLoad(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 4, patience }), srv.dial)
	p := ps.Pool(testKey)
	var wg sync.WaitGroup
	for id := range uint64(12) {
		wg.Go(func() {
			tenant := &Tenant{ID: id + 1}
			assert.NoError(t, p.Settle(context.Background(), nil, Empty, tenant))
			for range 300 {
				c, err := p.AcquireFor(context.Background(), nil, Empty, tenant, nil)
				if rand.IntN(4) == 0 && err == nil {
					ps.Release(c, true)
					ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
					if c, err = p.AcquireHome(ctx, nil, Empty, tenant); err != nil {
						c, err = p.AcquireFor(context.Background(), nil, Empty, tenant, nil)
					}
					stop()
				}
				if assert.NoError(t, err) {
					ps.Release(c, rand.IntN(20) != 0)
				}
			}
			tenant.Leave()
		})
	}
	wg.Wait()
	st := p.Stat()
	assert.Equal(t, st.Idle, p.mu.size)
	assert.LessOrEqual(t, st.Idle, 4)
	assert.Zero(t, st.Waiting)
	for _, c := range p.mu.idle {
		assert.Zero(t, c.owner, "everybody left")
	}
}

func TestPrivateIsForItsTenantOnly(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	a := settle(t, p, 1)
	c := leaseFor(t, p, a)
	c.Private = true
	ps.Release(c, true)
	again := leaseFor(t, p, a)
	require.Same(t, c, again)
	conn, done := queue(t.Context(), t, p)
	ps.Release(again, true)
	require.NoError(t, <-done)
	assert.NotSame(t, c, *conn, "a stranger who waits gets another")
	assert.EqualValues(t, 2, srv.dials.Load())
	ps.Release(*conn, true)

	next := leaseFor(t, p, a)
	require.Same(t, next, a.Home())
	next.Private = true
	ps.Release(next, true)
	a.Leave()
	b := settle(t, p, 2)
	require.NotNil(t, b.Home())
	assert.NotSame(t, next, b.Home())
}
