package catalog

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxMissing bounds the names that a database is known not to have.
const maxMissing = 1000

// database is what is kept of one database.
type database struct {
	name string
	snap atomic.Pointer[snapshot] // nil: not loaded, or not to be trusted
	used atomic.Bool              // since the last look, see Catalog.tick
	gate chan struct{}            // holds one token: one load at a time, in order

	mu struct {
		sync.Mutex
		last     *snapshot // that was loaded, in force or not
		epoch    uint64    // counts Invalidate
		due      time.Time // when the next load may begin
		queued   bool      // a background load runs or waits for the gate
		lastUsed time.Time
		loaded   time.Time // when the load of the last good snapshot began
		failures int       // loads that failed since the last good one
		err      string    // of the last load, to log a change only
		missing  map[string]struct{}
	}
}

func newDatabase(name string, now time.Time) *database {
	d := &database{name: name, gate: make(chan struct{}, 1)}
	d.used.Store(true)
	d.mu.due, d.mu.lastUsed = now, now
	return d
}

// invalidate makes the snapshot unusable and the next load due at once.
func (d *database) invalidate(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.epoch++
	d.mu.due = now
	d.snap.Store(nil)
}

// begin returns the epoch that a load which begins now belongs to, and the last snapshot, nil at first.
func (d *database) begin(now time.Time, refresh time.Duration) (epoch uint64, last *snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.due = now.Add(refresh)
	return d.mu.epoch, d.mu.last
}

// publish puts a snapshot in force, unless it was invalidated while being loaded.
func (d *database) publish(s *snapshot, epoch uint64, began time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.failures, d.mu.err = 0, ""
	d.mu.last = s
	if d.mu.epoch != epoch {
		d.mu.due = began
		return false
	}
	d.mu.loaded = began
	d.snap.Store(s)
	return true
}

// fail notes a failed load and reports whether its error is news. What was loaded before stays in force for maxAge:
// a server that is away has no DDL either, and replicas can go on answering.
func (d *database) fail(err error, now time.Time, maxAge time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.failures++
	d.mu.due = now.Add(min(backoffFirst<<min(d.mu.failures-1, 16), backoffLast))
	if now.Sub(d.mu.loaded) > maxAge {
		d.snap.Store(nil)
	}
	news := d.mu.err != err.Error()
	d.mu.err = err.Error()
	return news
}

// miss asks for a load because of a name that is not known, unless a load did not find it before. It reports whether
// the load is due earlier now.
func (d *database) miss(name string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.mu.missing[name]; known || d.mu.failures > 0 {
		return false
	}
	if d.mu.missing == nil || len(d.mu.missing) >= maxMissing {
		d.mu.missing = make(map[string]struct{})
	}
	d.mu.missing[name] = struct{}{}
	at := d.mu.loaded.Add(missInterval)
	if at.Before(now) {
		at = now
	}
	if !at.Before(d.mu.due) {
		return false
	}
	d.mu.due = at
	return true
}

// take reports whether a load should be started now, and otherwise when to look again.
func (d *database) take(now time.Time) (start bool, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.queued {
		return false, time.Time{}
	}
	if d.mu.due.After(now) {
		return false, d.mu.due
	}
	d.mu.queued = true
	return true, time.Time{}
}

func (d *database) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.queued = false
}

// idle returns for how long nobody has asked.
func (d *database) idle(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used.Swap(false) {
		d.mu.lastUsed = now
	}
	return now.Sub(d.mu.lastUsed)
}
