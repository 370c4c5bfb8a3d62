package backend

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// aged makes idle connections look as if nobody had used them for a while.
func aged(p *Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.mu.idle {
		c.idleSince -= checkAfter
		if c.idleSince <= 0 {
			c.idleSince = 1
		}
	}
}

func TestRestartedServer(t *testing.T) {
	n := servers.Primary()
	ps := newPools(t, testConfig(nil), nil)
	p := ps.Pool(realKey("postgres"))
	for _, mode := range []string{"fast", "immediate"} {
		conns := []*Conn{lease(t, p, Empty), lease(t, p, Empty), lease(t, p, Empty)}
		for _, c := range conns {
			ps.Release(c, true)
		}
		require.NoError(t, n.Stop(mode))
		_, err := Dial(t.Context(), DialConfig{Addr: n.Addr(), Database: "postgres", User: "postgres"})
		require.Error(t, err)
		require.NoError(t, n.Start())
		ps.Suspect(n.Addr())
		c := lease(t, p, Empty)
		assert.Equal(t, "1", value(t, c, "SELECT 1"), mode)
		ps.Release(c, true)
		assert.Equal(t, 1, p.Stat().Open(), "the dead ones are gone")
	}
}

// TestOneDeadMakesAllSuspect: the one that had been idle for longer tells about the others.
func TestOneDeadMakesAllSuspect(t *testing.T) {
	ps := newPools(t, testConfig(nil), nil)
	p := ps.Pool(realKey("postgres"))
	a, b := lease(t, p, Empty), lease(t, p, Empty)
	terminateBackend(t, a.PID)
	terminateBackend(t, b.PID)
	ps.Release(a, true)
	ps.Release(b, true) // the hotter one
	p.mu.Lock()
	b.idleSince = 1
	p.mu.Unlock()
	c := lease(t, p, Empty)
	assert.Equal(t, "1", value(t, c, "SELECT 1"))
	ps.Release(c, true)
	assert.Equal(t, 1, p.Stat().Open())
}

func terminateBackend(t *testing.T, pid uint32) {
	t.Helper()
	assert.Equal(t, "t", value(t, realDial(t), fmt.Sprintf("SELECT pg_terminate_backend(%d, 20000)", pid)))
}

func TestWhatAnIdleServerSays(t *testing.T) {
	notice := pgwire.AppendNoticeResponse(nil, &pgwire.ErrorFields{Severity: "WARNING", Code: "01000", Message: "m"})
	status := pgwire.AppendParameterStatus(nil, "TimeZone", "Asia/Tokyo")
	fatal := pgwire.AppendErrorResponse(nil, &pgwire.ErrorFields{Severity: "FATAL", Code: "57P01", Message: "m"})
	for name, tt := range map[string]struct {
		say  []byte
		good bool
	}{
		"notice and status": {append(notice, status...), true},
		"error":             {fatal, false},
		"status then error": {append(append([]byte(nil), status...), fatal...), false},
		"ready":             {pgwire.AppendReadyForQuery(nil, 'I'), false},
		"half a frame":      {status[:7], false},
		"rubbish":           {[]byte{0, 0, 0, 0, 0, 0}, false},
	} {
		said := make(chan struct{})
		speak := make(chan struct{})
		addr := scripted(t, func(c *pgwire.Conn, r *pgwire.Reader) {
			if !greet(c, r) {
				return
			}
			<-speak
			_ = c.Write(tt.say)
			close(said)
			untilGone(r)
		})
		c, err := Dial(t.Context(), DialConfig{Addr: addr, Database: "d", User: "u"})
		require.NoError(t, err)
		assert.True(t, c.probe(), "silence is fine")
		close(speak)
		<-said
		if !tt.good {
			eventually(t, func() bool { return !c.probe() }, name)
		} else {
			eventually(t, func() bool {
				require.True(t, c.probe(), name)
				v, _ := c.Status.Get("TimeZone")
				return v == "Asia/Tokyo"
			}, name)
		}
		c.close()
	}
}

func TestUnreadBytesAreNotLent(t *testing.T) {
	ps := newPools(t, testConfig(nil), nil)
	p := ps.Pool(realKey("postgres"))
	c := lease(t, p, Empty)
	require.NoError(t, c.Wire.Write(pgwire.AppendQuery(nil, "SELECT 1")))
	require.NoError(t, c.Reader.Fill())
	ps.Release(c, true)
	assert.Zero(t, p.Stat().Open())
}

// TestCloseDoesNotWaitForAStuckServer: the socket is full and nobody reads.
func TestCloseDoesNotWaitForAStuckServer(t *testing.T) {
	stuck := make(chan struct{})
	addr := scripted(t, func(c *pgwire.Conn, r *pgwire.Reader) {
		if greet(c, r) {
			<-stuck
		}
	})
	defer close(stuck)
	ps := newPools(t, testConfig(nil), nil)
	p := ps.Pool(Key{Node: addr, Database: "d", User: "u"})
	c := lease(t, p, Empty)
	junk := make([]byte, 1<<20)
	for {
		if _, err := c.Wire.TryWrite(junk); err != nil {
			require.ErrorIs(t, err, pgwire.ErrWouldBlock)
			break
		}
	}
	start := time.Now()
	ps.Release(c, false)
	assert.Less(t, time.Since(start), time.Second)
}

func TestDropDatabaseLetsItBeDropped(t *testing.T) {
	n := servers.Primary()
	require.NoError(t, n.Exec(t.Context(), "postgres", "CREATE DATABASE doomed"))
	ps := newPools(t, testConfig(func(c *Config) { c.MinConnections = 2 }), nil)
	runJanitor(t, ps)
	p := ps.Pool(realKey("doomed"))
	other := ps.Pool(realKey("postgres"))
	conns := []*Conn{lease(t, p, Empty), lease(t, p, Empty), lease(t, p, Empty)}
	for _, c := range conns {
		ps.Release(c, true)
	}
	admin := lease(t, other, Empty)
	ps.DropDatabase(t.Context(), "doomed")
	assert.Equal(t, "0", value(t, admin, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'doomed'"),
		"gone by the time that DropDatabase returns")
	assert.Zero(t, p.Stat().Open())
	res, err := query(admin, "DROP DATABASE doomed")
	require.NoError(t, err)
	require.Nil(t, res.err)
	ps.Release(admin, true)
	_, err = p.Acquire(t.Context(), nil, Empty)
	var refused *ServerError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "3D000", refused.Code)
}
