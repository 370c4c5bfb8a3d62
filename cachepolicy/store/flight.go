package store

import (
	"context"
	"sync"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
)

// Flight is one running query that others with the same key wait for.
type Flight struct {
	store *Store
	key   cachepolicy.Key
	once  sync.Once
	done  chan struct{}
	entry *Entry // written before done is closed
	fence Fence
}

type flights struct {
	sync.Mutex
	byKey map[cachepolicy.Key]*Flight
}

// Join returns the flight of a key. The leader runs the query and must call Finish whatever happens; the others Wait.
func (s *Store) Join(key cachepolicy.Key) (f *Flight, leader bool) {
	s.flights.Lock()
	defer s.flights.Unlock()
	if f, ok := s.flights.byKey[key]; ok {
		return f, false
	}
	f = &Flight{store: s, key: key, done: make(chan struct{})}
	s.flights.byKey[key] = f
	return f, true
}

// Finish hands the leader's result to those who wait, nil when there is none. Only the first call counts, so that it can
// be deferred with nil.
func (f *Flight) Finish(e *Entry, fence Fence) {
	f.once.Do(func() {
		f.store.flights.Lock()
		delete(f.store.flights.byKey, f.key)
		f.store.flights.Unlock()
		f.entry, f.fence = e, fence
		close(f.done)
	})
}

// Wait returns the leader's result with the status Shared, or nil when the caller has to run the query itself: the leader
// gave up, it took longer than flight_wait, ctx ended, or a table changed after the leader had begun. The last matters to
// who arrived after a write that the leader may not have seen.
func (f *Flight) Wait(ctx context.Context) (*Entry, Status) {
	timer := time.NewTimer(f.store.cfg.FlightWait)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
		f.store.metrics.flight(flightTimeout)
		return nil, Miss
	case <-ctx.Done():
		f.store.metrics.flight(flightCancelled)
		return nil, Miss
	}
	switch {
	case f.entry == nil:
		f.store.metrics.flight(flightEmpty)
		return nil, Miss
	case !f.store.holds(f.fence):
		f.store.metrics.flight(flightVoid)
		return nil, Void
	}
	f.store.metrics.flight(flightShared)
	return f.entry, Shared
}
