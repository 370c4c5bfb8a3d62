package backend

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestNothingIsLostOrDoubled lets thousands of clients with short patience fight for few connections that fail to be
// dialled, are discarded, dropped and cancelled. Every connection has at most one holder and none is lost: at the end
// as many as there may be can be leased at once.
func TestNothingIsLostOrDoubled(t *testing.T) {
	const clients, limit = 3000, 4
	srv := &fakeServer{}
	var holders sync.Map
	dial := func(ctx context.Context, cfg DialConfig) (*Conn, error) {
		if rand.IntN(20) == 0 {
			return nil, errRefused
		}
		return srv.dial(ctx, cfg)
	}
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = limit, 2*time.Millisecond }), dial)
	ps.deps.Cancel = func(context.Context, *Conn) (bool, error) {
		if rand.IntN(4) == 0 {
			return true, errRefused
		}
		return true, nil
	}
	p := ps.Pool(testKey)
	var served, turnedAway atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(4000))*time.Microsecond)
			defer cancel()
			c, err := p.Acquire(ctx, nil, Empty)
			if err != nil {
				turnedAway.Add(1)
				expected := errors.Is(err, ErrTimeout) || errors.Is(err, errRefused) || errors.Is(err, context.DeadlineExceeded)
				assert.True(t, expected, err)
				return
			}
			served.Add(1)
			holder := new(atomic.Int64)
			if actual, loaded := holders.LoadOrStore(c, holder); loaded {
				holder = actual.(*atomic.Int64)
			}
			assert.EqualValues(t, 1, holder.Add(1), "one holder at a time")
			if rand.IntN(10) == 0 {
				ticket := c.Ticket()
				wg.Go(func() { _ = ps.Cancel(context.Background(), ticket) })
			}
			if rand.IntN(200) == 0 {
				ps.Drop(testKey.Node)
			}
			holder.Add(-1)
			ps.Release(c, rand.IntN(10) != 0)
		})
	}
	wg.Wait()
	assert.Positive(t, served.Load())
	assert.Positive(t, turnedAway.Load())
	st := p.Stat()
	assert.Zero(t, st.Active+st.Dialing+st.Waiting, "%+v", st)
	assert.LessOrEqual(t, st.Idle, limit)
	takeAll(t, ps, p, limit)
}

// takeAll shows that all places can be used at once and not one more.
func takeAll(t *testing.T, ps *Pools, p *Pool, limit int) {
	t.Helper()
	var all []*Conn
	for len(all) < limit {
		c, err := p.Acquire(t.Context(), nil, Empty)
		if errors.Is(err, errRefused) {
			continue
		}
		if !assert.NoError(t, err) {
			break
		}
		all = append(all, c)
	}
	_, err := p.Acquire(t.Context(), nil, Empty)
	assert.ErrorIs(t, err, ErrTimeout)
	for _, c := range all {
		ps.Release(c, true)
	}
}
