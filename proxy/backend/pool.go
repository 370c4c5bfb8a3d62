package backend

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aioproxy/aioproxy/proxy/auth"
)

// searchIdle bounds how many idle connections are looked at for one whose settings match already.
const searchIdle = 32

// Pool holds the connections of one Key. A handle stays valid as long as its Pools.
//
// Whenever the lock is free, nobody waits while a connection is idle or there is room to dial: who gives something
// back hands it to the first waiter under the same lock. So nobody can overtake, and nothing is lost between a
// hand-over and a timeout.
type Pool struct {
	key   Key
	owner *Pools

	mu struct {
		sync.Mutex
		idle    []*Conn // the last is the most recently used; idleSince ascends
		waiting waitList
		size    int // all that count towards max_connections: idle, leased, parked, being dialled
		dialing int
		parked  int
		gen     uint64 // counts Drop and Renew; a connection has the number from when its dial began
		dropped uint64 // connections from before are closed when they are released
		renewed uint64 // those from before are for nobody but who is at home on them

		cred     *auth.Credentials // of the latest client
		wanted   bool              // a client came and the database was not dropped since: keep min_connections
		proven   bool              // a dial succeeded
		retryAt  time.Duration     // when the janitor may dial again after a failure
		lastDial error             // of the last dial; nil if it succeeded
		removed  bool              // not in owner's map any more
		closed   bool
		stat     totals
	}
	// suspected: connections that have been idle since before are looked at before they are lent.
	suspected atomic.Int64
}

// Key returns what all connections of the pool have in common.
func (p *Pool) Key() Key { return p.key }

// Acquire lends a connection: an idle one, best with the settings that are wanted, a new one, or the one that the
// next client gives back, first come first served. The caller owns it until Release. cred is used for this and later
// dials. The settings are not applied: send AppendChange(nil, c.Applied, want) ahead of the statement.
//
// Errors: *ServerError, what the dial or login met, *TimeoutError, ErrClosed, or the cause of ctx.
func (p *Pool) Acquire(ctx context.Context, cred *auth.Credentials, want *Settings) (*Conn, error) {
	return p.acquire(ctx, wish{cred: cred, want: want})
}

func (p *Pool) acquire(ctx context.Context, w wish) (*Conn, error) {
	for {
		c, err := p.next(ctx, w)
		if err != nil {
			return c, err
		}
		if !c.pool.current(c, w) {
			c.pool.discard(c, ReasonDropped)
			continue
		}
		if c.Private && !c.pool.livesOn(w.tenant, c) {
			c.pool.discard(c, ReasonUnclean)
			continue
		}
		if c.pool.usable(c) {
			return c, nil
		}
		// The server closed it while it was idle, and perhaps others at the same time.
		c.pool.suspect()
		c.pool.bereave(c, w.tenant)
		c.pool.discard(c, ReasonDead)
	}
}

// next returns a leased connection, not looked at if it was idle.
func (p *Pool) next(ctx context.Context, w wish) (*Conn, error) {
	p.mu.Lock()
	switch {
	case p.mu.closed:
		p.mu.Unlock()
		return nil, ErrClosed
	case p.mu.removed:
		p.mu.Unlock()
		if w.only {
			return nil, ErrNotHome
		}
		w.prefer = nil
		return p.owner.Pool(p.key).next(ctx, w)
	}
	if w.cred != nil && p.mu.cred != w.cred {
		p.mu.cred = w.cred
	}
	p.mu.wanted = true
	p.mu.stat.acquires++
	if c := p.takeIdleLocked(w); c != nil {
		p.mu.Unlock()
		return c, nil
	}
	if w.only && w.prefer.state == gone {
		p.mu.Unlock()
		return nil, ErrNotHome
	}
	if !w.only && p.mu.size < p.owner.config().MaxConnections {
		gen := p.reserveLocked()
		p.mu.Unlock()
		return p.dialOrTake(ctx, gen)
	}
	waiting := p.queueLocked()
	if w.only {
		waiting.only = w.prefer
	}
	p.mu.Unlock()
	return p.wait(ctx, waiting)
}

func (p *Pool) takeIdleLocked(w wish) *Conn {
	if len(p.mu.idle) == 0 {
		return nil
	}
	at := p.choiceLocked(w)
	if at < 0 {
		return nil
	}
	return p.takeLocked(at)
}

// takeLocked lends what is idle at a place.
func (p *Pool) takeLocked(at int) *Conn {
	c, last := p.mu.idle[at], len(p.mu.idle)-1
	copy(p.mu.idle[at:], p.mu.idle[at+1:])
	p.mu.idle[last] = nil
	p.mu.idle = p.mu.idle[:last]
	lendLocked(c)
	return c
}

// choiceLocked prefers the one that was asked for, then those that are nobody's home, and among them the most recently used
// whose settings match: its caches are warm, and the others get old enough to be closed.
func (p *Pool) choiceLocked(w wish) int {
	n := len(p.mu.idle)
	if w.prefer != nil && w.prefer.state == idle {
		for i := n - 1; i >= 0; i-- {
			if p.mu.idle[i] == w.prefer {
				return i
			}
		}
	}
	if w.only {
		return -1
	}
	best, rank := n-1, 0
	for i := n - 1; i >= max(0, n-searchIdle); i-- {
		c, r := p.mu.idle[i], 1
		if c.owner == 0 {
			r += 2
		}
		if c.Applied == w.want {
			r++
		}
		if r > rank {
			best, rank = i, r
		}
	}
	c := p.mu.idle[best]
	if (w.tenant != nil && c.owner != 0 || c.gen < p.mu.renewed) && p.mu.size < p.owner.config().MaxConnections {
		return -1 // rather a new one, to be at home on
	}
	return best
}

func lendLocked(c *Conn) {
	c.state = leased
	c.leases++
}

// reserveLocked takes a place within max_connections for a dial.
func (p *Pool) reserveLocked() (gen uint64) {
	p.mu.size++
	p.mu.dialing++
	p.mu.stat.dials++
	return p.mu.gen
}

// dial uses a reserved place and gives it back if it fails. needed: somebody waits for it, so that idle connections give way.
func (p *Pool) dial(ctx context.Context, gen uint64, needed bool) (*Conn, error) {
	p.mu.Lock()
	cred := p.mu.cred
	p.mu.Unlock()
	dial := p.dialInTurn
	if !needed {
		dial = p.dialOnce
	}
	c, err := dial(ctx, cred)

	p.mu.Lock()
	p.mu.dialing--
	if ctx.Err() == nil { // a client that leaves says nothing about the server
		p.mu.lastDial = err
	}
	switch {
	case err != nil:
		p.mu.stat.dialErrors++
	case p.mu.closed:
		err = ErrClosed
	default:
		p.adoptLocked(c, gen)
		p.mu.Unlock()
		return c, nil
	}
	p.mu.size--
	p.grantPlacesLocked()
	p.mu.Unlock()
	p.owner.noteDrained()
	if c != nil {
		c.close()
	}
	return nil, err
}

// adoptLocked makes a new connection one of the pool's, lent to whoever dialled it.
func (p *Pool) adoptLocked(c *Conn, gen uint64) {
	p.mu.proven = true
	c.key, c.pool, c.gen = p.key, p, gen
	c.adopted, c.spread = p.owner.now(), 0.9+0.2*rand.Float64()
	lendLocked(c)
}
