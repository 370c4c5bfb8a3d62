package store

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/maypok86/otter/v2"
)

// memory is the in-process tier: bounded by weight, with an admission policy that keeps what is asked for often (W-TinyLFU).
type memory struct {
	cache *otter.Cache[cachepolicy.Key, *record]
}

func newMemory(limit uint64, evicted func()) (*memory, error) {
	cache, err := otter.New(&otter.Options[cachepolicy.Key, *record]{
		MaximumWeight: limit,
		Weigher: func(_ cachepolicy.Key, r *record) uint32 {
			return uint32(min(r.weight(), math.MaxUint32))
		},
		OnAtomicDeletion: func(e otter.DeletionEvent[cachepolicy.Key, *record]) {
			if e.Cause == otter.CauseOverflow {
				evicted()
			}
		},
		// On the caller's goroutine, so that nothing outlives the store. OnAtomicDeletion only counts.
		Executor: func(f func()) { f() },
	})
	if err != nil {
		return nil, fmt.Errorf("in-process cache: %w", err)
	}
	return &memory{cache: cache}, nil
}

// get returns a valid record, or why there is none. What is void or expired is dropped; a record of other tables than
// those asked for is another statement's and void.
func (m *memory) get(key cachepolicy.Key, tables []cachepolicy.Table, c *clock, now time.Time) (*record, Status) {
	r, ok := m.cache.GetIfPresent(key)
	if !ok {
		return nil, Miss
	}
	status := HitMemory
	switch {
	case r.expired(now):
		status = Expired
	case !slices.Equal(r.tables, tables) || !c.valid(r.tables, r.tick):
		status = Void
	}
	if status == HitMemory {
		return r, HitMemory
	}
	m.drop(key, r)
	return nil, status
}

// drop removes r but not a newer record of the key.
func (m *memory) drop(key cachepolicy.Key, r *record) {
	m.cache.ComputeIfPresent(key, func(old *record) (*record, otter.ComputeOp) {
		if old == r {
			return nil, otter.InvalidateOp
		}
		return old, otter.CancelOp
	})
}

func (m *memory) put(key cachepolicy.Key, r *record) { m.cache.Set(key, r) }
