package backend

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func all(Key) bool { return true }

// atHome leases for a tenant that has no home, who is at home then on what it got.
func atHome(t *testing.T, ps *Pools, tenant *Tenant) *Conn {
	t.Helper()
	c, err := ps.Pool(testKey).AcquireFor(t.Context(), nil, Empty, tenant, nil)
	require.NoError(t, err)
	require.Same(t, c, tenant.Home())
	return c
}

func TestRenewedConnectionsAreForNewcomers(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	p := ps.Pool(testKey)
	idleOne, leasedOne := lease(t, p, Empty), lease(t, p, Empty)
	old := &Tenant{ID: 1}
	home := atHome(t, ps, old)
	ps.Release(idleOne, true)
	ps.Release(home, true)

	ps.Renew(func(k Key) bool { return k.User == "somebody else" })
	require.Equal(t, 2, p.Stat().Idle, "other pools are left alone")
	ps.Renew(all)
	require.Equal(t, 1, p.Stat().Idle, "the home stays")
	ps.Release(leasedOne, true)
	require.Equal(t, 1, p.Stat().Idle, "what was out is closed when it comes back")

	fresh := lease(t, p, Empty)
	require.NotSame(t, home, fresh, "nobody else gets the home")
	again, err := p.AcquireFor(t.Context(), nil, Empty, old, nil)
	require.NoError(t, err)
	require.Same(t, home, again, "its tenant does")
	ps.Release(again, true)
	ps.Release(fresh, true)

	newcomer := &Tenant{ID: 2}
	old.Leave()
	require.NoError(t, p.Settle(t.Context(), nil, Empty, newcomer))
	require.Same(t, fresh, newcomer.Home(), "what the old tenant left is nobody's any more")
	p.closeStale()
	require.Equal(t, 1, p.Stat().Idle)
}

// A full pool has only homes to lend: one from before the change is replaced rather than lent to somebody who came after it.
func TestRenewWhenAllIsHome(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	old := &Tenant{ID: 1}
	home := atHome(t, ps, old)
	ps.Release(home, true)
	ps.Renew(all)
	c := lease(t, ps.Pool(testKey), Empty)
	require.NotSame(t, home, c)
	require.EqualValues(t, 2, srv.dials.Load())
	ps.Release(c, true)
	require.Equal(t, 1, ps.Pool(testKey).Stat().Idle)
}

// Whoever waits is not handed a connection from before the change.
func TestRenewWhileSomebodyWaits(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	got, done := queue(t.Context(), t, p)
	ps.Renew(all)
	ps.Release(c, true)
	require.NoError(t, <-done)
	next := *got
	require.NotSame(t, c, next)
	ps.Release(next, true)
}

// What an old tenant left is for nobody who comes later, also before the janitor has closed it.
func TestRenewedHomesAreNobodysNext(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	old := &Tenant{ID: 1}
	home := atHome(t, ps, old)
	ps.Release(home, true)
	ps.Renew(all)
	old.Leave()
	newcomer := settle(t, ps.Pool(testKey), 2)
	require.NotNil(t, newcomer.Home())
	require.NotSame(t, home, newcomer.Home())
}

func TestVacateLeavesHomes(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(func(c *Config) { c.MinConnections = 2 }), srv.dial)
	p := ps.Pool(testKey)
	other := lease(t, p, Empty)
	tenant := &Tenant{ID: 1}
	home := atHome(t, ps, tenant)
	ps.Release(other, true)
	ps.Release(home, true)
	ps.Vacate("another")
	require.Equal(t, 2, p.Stat().Idle)
	ps.DropDatabase(t.Context(), testKey.Database)
	require.Equal(t, 1, p.Stat().Idle, "the home stays")
	require.Zero(t, p.missing(), "min_connections are not kept")
	tenant.Leave()
	ps.Vacate(testKey.Database)
	require.Zero(t, p.Stat().Idle)
}
