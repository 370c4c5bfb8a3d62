package backend

import (
	"cmp"
	"slices"
	"time"
)

// totals are counted under the pool's lock.
type totals struct {
	acquires, waits, timeouts uint64
	dials, dialErrors, closed uint64
	waitTime, maxWait         time.Duration
}

// Stat is a pool at one moment.
type Stat struct {
	Key
	MaxConnections int
	Active         int // leased, and those that cancels keep aside
	Idle           int
	Dialing        int
	Waiting        int           // clients
	OldestWait     time.Duration // of those who wait now
	MaxWait        time.Duration // ever

	// Since the pool was made.
	Acquires, Waits, Timeouts uint64
	Dials, DialErrors, Closed uint64
	WaitTime                  time.Duration
}

// Open is how many connections there are.
func (s Stat) Open() int { return s.Active + s.Idle }

// Stats returns all pools ordered by database, user and node.
func (ps *Pools) Stats() []Stat {
	pools := ps.all()
	stats := make([]Stat, 0, len(pools))
	for _, p := range pools {
		stats = append(stats, p.Stat())
	}
	slices.SortFunc(stats, func(a, b Stat) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User), cmp.Compare(a.Node, b.Node))
	})
	return stats
}

// Stat returns the pool's figures.
func (p *Pool) Stat() Stat {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.mu.stat
	s := Stat{
		Key: p.key, MaxConnections: p.owner.config().MaxConnections,
		Active: p.mu.size - len(p.mu.idle) - p.mu.dialing, Idle: len(p.mu.idle), Dialing: p.mu.dialing,
		Waiting: p.mu.waiting.n, MaxWait: t.maxWait,
		Acquires: t.acquires, Waits: t.waits, Timeouts: t.timeouts,
		Dials: t.dials, DialErrors: t.dialErrors, Closed: t.closed, WaitTime: t.waitTime,
	}
	if w := p.mu.waiting.first; w != nil {
		s.OldestWait = p.owner.now() - w.since
		s.MaxWait = max(s.MaxWait, s.OldestWait)
	}
	return s
}
