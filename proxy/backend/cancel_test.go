package backend

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

func TestCancelEndsTheStatement(t *testing.T) {
	ps := newPools(t, testConfig(nil), nil)
	c, err := ps.Acquire(t.Context(), realKey("postgres"), nil, Empty)
	require.NoError(t, err)
	ticket := c.Ticket()
	var res result
	done := later(t, func() error {
		var err error
		res, err = query(c, "SELECT pg_sleep(60)")
		return err
	})
	awaitActive(t, c.PID)
	require.NoError(t, ps.Cancel(t.Context(), ticket))
	require.NoError(t, <-done)
	require.NotNil(t, res.err)
	assert.Equal(t, "57014", res.err.Code)
	ps.Release(c, true)
	assert.Equal(t, 1, ps.Pool(c.Key()).Stat().Idle)
}

// awaitActive returns when the server process runs a statement.
func awaitActive(t *testing.T, pid uint32) {
	t.Helper()
	watch := realDial(t)
	eventually(t, func() bool {
		return value(t, watch, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event = 'PgSleep'", pid)) == "1"
	}, "the statement runs")
}

func TestCancelAfterTheLeaseSendsNothing(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	ps.deps.Cancel = func(context.Context, *Conn) (bool, error) {
		t.Error("sent")
		return true, nil
	}
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	past := c.Ticket()
	ps.Release(c, true)
	require.ErrorIs(t, ps.Cancel(t.Context(), past), ErrNotLeased)
	require.Same(t, c, lease(t, p, Empty))
	require.ErrorIs(t, ps.Cancel(t.Context(), past), ErrNotLeased, "leased again, but to somebody else")
	ps.Release(c, false)
	require.ErrorIs(t, ps.Cancel(t.Context(), Ticket{}), ErrNotLeased)
}

// TestCancelNeverHitsTheNext releases while a cancel is on its way, again and again, with somebody else waiting for the
// connection.
func TestCancelNeverHitsTheNext(t *testing.T) {
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), nil)
	p := ps.Pool(realKey("postgres"))
	for range 150 {
		c := lease(t, p, Empty)
		ticket := c.Ticket()
		cancelled := later(t, func() error {
			err := ps.Cancel(context.Background(), ticket)
			if errors.Is(err, ErrNotLeased) {
				return nil
			}
			return err
		})
		_, err := query(c, "SELECT 1") // cancelled or not
		require.NoError(t, err)
		ps.Release(c, true)

		next := lease(t, p, Empty)
		assert.Equal(t, "", value(t, next, "SELECT pg_sleep(0.001)"))
		assert.NoError(t, <-cancelled)
		ps.Release(next, true)
	}
	assert.EqualValues(t, 1, p.Stat().Dials, "none of them had to be closed")
}

func TestReleaseWaitsForCancels(t *testing.T) {
	srv := &fakeServer{}
	arrived, end := make(chan struct{}, 2), make(chan error)
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections = 1 }), srv.dial)
	ps.deps.Cancel = func(context.Context, *Conn) (bool, error) {
		arrived <- struct{}{}
		return true, <-end
	}
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	ticket := c.Ticket()
	first := later(t, func() error { return ps.Cancel(context.Background(), ticket) })
	second := later(t, func() error { return ps.Cancel(context.Background(), ticket) })
	<-arrived
	<-arrived
	next, done := queue(t.Context(), t, p)
	ps.Release(c, true)
	assert.Equal(t, 1, p.Stat().Waiting)
	assert.Equal(t, 1, p.Stat().Active, "kept aside")
	end <- nil
	assert.Equal(t, 1, p.Stat().Waiting, "one cancel is still in flight")
	end <- nil
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	require.NoError(t, <-done)
	assert.Same(t, c, *next)
	ps.Release(*next, true)
}

func TestCancelOfUnknownFateClosesTheConnection(t *testing.T) {
	addr := scripted(t, func(c *pgwire.Conn, r *pgwire.Reader) {
		s, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength)
		if err != nil {
			return
		}
		if s.Code == pgwire.Version30 {
			b := pgwire.AppendBackendKeyData(pgwire.AppendAuthenticationOk(nil), 7, []byte("1234"))
			if c.Write(pgwire.AppendReadyForQuery(b, pgwire.TxIdle)) != nil {
				return
			}
		}
		untilGone(r) // a cancel is never answered
	})
	ps := newPools(t, testConfig(func(c *Config) { c.ConnectTimeout = 300 * time.Millisecond }), nil)
	p := ps.Pool(Key{Node: addr, Database: "d", User: "u"})
	c := lease(t, p, Empty)
	require.ErrorIs(t, ps.Cancel(t.Context(), c.Ticket()), errCancelTimeout)
	ps.Release(c, true)
	assert.Zero(t, p.Stat().Open())
}

func TestCancelThatCannotBeSentHarmsNothing(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	ps.deps.Cancel = func(context.Context, *Conn) (bool, error) { return false, errRefused }
	p := ps.Pool(testKey)
	c := lease(t, p, Empty)
	require.ErrorIs(t, ps.Cancel(t.Context(), c.Ticket()), errRefused)
	ps.Release(c, true)
	assert.Equal(t, 1, p.Stat().Idle)
}

func TestCancelGoesEncrypted(t *testing.T) {
	requests := make(chan *pgwire.Startup, 1)
	addr := scripted(t, withTLS(t, certificate(t), func(c *pgwire.Conn, r *pgwire.Reader) {
		s, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength)
		switch {
		case err != nil:
		case s.Code == pgwire.CodeCancelRequest:
			requests <- s
		default:
			b := pgwire.AppendBackendKeyData(pgwire.AppendAuthenticationOk(nil), 7, []byte("1234"))
			if c.Write(pgwire.AppendReadyForQuery(b, pgwire.TxIdle)) == nil {
				untilGone(r)
			}
		}
	}))
	ps := newPools(t, testConfig(nil), nil)
	ps.deps.TLS = TLS{Mode: SSLRequire}
	c, err := ps.Acquire(t.Context(), Key{Node: addr, Database: "d", User: "u"}, nil, Empty)
	require.NoError(t, err)
	require.NoError(t, ps.Cancel(t.Context(), c.Ticket()))
	s := <-requests
	assert.EqualValues(t, 7, s.CancelPID)
	assert.Equal(t, []byte("1234"), s.CancelKey)
	ps.Release(c, true)
}
