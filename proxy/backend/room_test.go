package backend

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestIdleGivesWay fills a role's connection limit from one pool and asks for a connection in another.
func TestIdleGivesWay(t *testing.T) {
	admin := realDial(t)
	for _, sql := range []string{
		"CREATE ROLE crowd LOGIN IN ROLE trusted CONNECTION LIMIT 2", "CREATE DATABASE crowd_a", "CREATE DATABASE crowd_b",
	} {
		res, err := query(admin, sql)
		require.NoError(t, err)
		require.Nil(t, res.err, sql)
	}
	ps := newPools(t, testConfig(nil), Dial)
	key := func(database string) Key {
		return Key{Node: servers.Primary().Addr(), Database: database, User: "crowd"}
	}
	a := ps.Pool(key("crowd_a"))
	first, second := settle(t, a, 1), settle(t, a, 2)
	require.NotNil(t, first.Home())
	require.NotNil(t, second.Home())

	b := ps.Pool(key("crowd_b"))
	homeless := &Tenant{ID: 3}
	require.Error(t, b.Settle(t.Context(), nil, Empty, homeless), "nobody gives way for a home")
	c := lease(t, b, Empty)
	assert.Equal(t, "crowd_b", value(t, c, "SELECT current_database()"))
	assert.Equal(t, 1, a.Stat().Idle)
	ps.Release(c, true)

	kept := leaseFor(t, a, second)
	defer ps.Release(kept, true)
	d := lease(t, b, Empty)
	defer ps.Release(d, true)
	_, err := ps.Acquire(t.Context(), key("postgres"), nil, Empty)
	var refused *ServerError
	require.ErrorAs(t, err, &refused, "all are in use")
	assert.Equal(t, "53300", refused.Code)
}

// TestHomesAreSharedWhereTheServerIsFull has more tenants than the role may have connections: they share, and connections of others
// do not give way, as that would be of no use.
func TestHomesAreSharedWhereTheServerIsFull(t *testing.T) {
	admin := realDial(t)
	for _, sql := range []string{"CREATE ROLE narrow LOGIN IN ROLE trusted CONNECTION LIMIT 1", "CREATE ROLE bystander LOGIN IN ROLE trusted"} {
		res, err := query(admin, sql)
		require.NoError(t, err)
		require.Nil(t, res.err, sql)
	}
	ps := newPools(t, testConfig(nil), Dial)
	key := func(user string) Key {
		return Key{Node: servers.Primary().Addr(), Database: "postgres", User: user}
	}
	others := ps.Pool(key("bystander"))
	settle(t, others, 1)
	p := ps.Pool(key("narrow"))
	home := settle(t, p, 2).Home()
	require.NotNil(t, home)
	c := leaseFor(t, p, &Tenant{ID: 3})
	assert.Same(t, home, c)
	_, err := p.AcquireFor(t.Context(), nil, Empty, &Tenant{ID: 4}, nil)
	var refused *ServerError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "53300", refused.Code)
	assert.Equal(t, 1, others.Stat().Idle)
	ps.Release(c, true)
}
