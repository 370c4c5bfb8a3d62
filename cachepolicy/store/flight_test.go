package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlightRunsTheQueryOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, cfg Config) {
		s, on, ctx := open(t, cfg), tables(1), context.Background()
		lead, leader := s.Join(key1)
		require.True(t, leader)
		fence := s.Fence(ctx, on)
		var waiters sync.WaitGroup
		for range 8 {
			f, leader := s.Join(key1)
			require.False(t, leader)
			waiters.Go(func() {
				e, st := f.Wait(ctx)
				if assert.Equal(t, Shared, st) {
					assert.Equal(t, "rows", string(e.Rows))
				}
			})
		}
		lead.Finish(result("rows"), fence)
		lead.Finish(nil, Fence{})
		waiters.Wait()
		_, leader = s.Join(key1)
		assert.True(t, leader, "the next flight is another one")
	})
}

func TestFlightThatCannotBeShared(t *testing.T) {
	cfg := memoryConfig()
	cfg.FlightWait = 20 * time.Millisecond
	s, on, ctx := open(t, cfg), tables(1), context.Background()
	wait := func(f *Flight, ctx context.Context) Status {
		e, st := f.Wait(ctx)
		assert.Nil(t, e)
		return st
	}
	lead, _ := s.Join(key1)
	other, _ := s.Join(key1)
	assert.Equal(t, Miss, wait(other, ctx), "the leader takes too long")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	assert.Equal(t, Miss, wait(other, gone), "the waiter's client is gone")
	fence := s.Fence(ctx, on)
	s.Invalidate(ctx, on)
	lead.Finish(result("old"), fence)
	assert.Equal(t, Void, wait(other, ctx), "a write came after the leader began")

	lead, leader := s.Join(key1)
	require.True(t, leader)
	other, _ = s.Join(key1)
	lead.Finish(nil, Fence{})
	assert.Equal(t, Miss, wait(other, ctx), "the leader gave up")
}
