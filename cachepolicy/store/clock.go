package store

import (
	"sync"
	"sync/atomic"

	"github.com/aioproxy/aioproxy/cachepolicy"
)

// tick counts the invalidations that this process has heard of.
type tick uint64

// maxChanges bounds the memory of a clock. Beyond it, everything older than now is void.
const maxChanges = 1 << 16

// clock knows at which tick each table last changed, as far as this process was told. A result is valid if no table that
// it depends on changed after the tick at which its query was about to begin.
type clock struct {
	now atomic.Uint64 // the tick of the last change of anything; written under mu
	mu  struct {
		sync.RWMutex
		changed map[cachepolicy.Table]tick
		floor   tick // tables not in changed did not change after it
	}
}

func newClock() *clock {
	c := &clock{}
	c.mu.changed = make(map[cachepolicy.Table]tick)
	return c
}

// read returns the tick to label a result with whose query begins after the call.
func (c *clock) read() tick { return tick(c.now.Load()) }

// change notes that tables changed just now.
func (c *clock) change(tables []cachepolicy.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := tick(c.now.Load() + 1)
	for _, t := range tables {
		if t == cachepolicy.Everything {
			c.resetLocked(now)
			break
		}
		c.mu.changed[t] = now
	}
	if len(c.mu.changed) > maxChanges {
		c.resetLocked(now)
	}
	c.now.Store(uint64(now)) // last: who reads the new tick finds the new changes
}

func (c *clock) resetLocked(now tick) {
	c.mu.floor = now
	clear(c.mu.changed)
}

// valid reports whether none of the tables changed after since.
func (c *clock) valid(tables []cachepolicy.Table, since tick) bool {
	if tick(c.now.Load()) == since {
		return true
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.mu.floor > since {
		return false
	}
	for i, t := range tables {
		if c.mu.changed[t] > since {
			return false
		}
		if i > 0 && t.Database == tables[i-1].Database {
			continue
		}
		if c.mu.changed[cachepolicy.Table{Database: t.Database}] > since {
			return false
		}
	}
	return true
}
