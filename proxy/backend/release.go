package backend

import "go.uber.org/zap"

// Reason is why a connection was closed; it is a metric label.
type Reason uint8

// The reasons.
const (
	ReasonNone     Reason = iota // not closed
	ReasonReleased               // the session did not want to keep it
	ReasonUnclean                // tainted, or bytes were left unread
	ReasonCancel                 // a cancel was sent and nobody knows what became of it
	ReasonDead                   // closed by the server while idle
	ReasonLifetime
	ReasonIdle
	ReasonDropped  // its node or database was dropped
	ReasonSurplus  // max_connections was lowered
	ReasonShutdown // the pools are closed
	ReasonEvicted  // the server had no room for a connection that was needed
	reasonCount
)

var reasonNames = [reasonCount]string{
	"none", "released", "unclean", "cancel", "dead", "lifetime", "idle", "dropped", "surplus", "shutdown", "evicted",
}

func (r Reason) String() string { return reasonNames[r] }

// Release ends a lease. With keep the connection must be outside a transaction, with every reply read, its
// Applied and Prepared true; it goes to the first who waits or becomes idle. Without, it is closed. Release never
// waits: neither for the server nor for cancels in flight, which keep the connection aside until they are over.
func (ps *Pools) Release(c *Conn, keep bool) { c.pool.release(c, keep) }

func (p *Pool) release(c *Conn, keep bool) {
	p.mu.Lock()
	if c.state != leased {
		p.mu.Unlock()
		p.owner.log.DPanic("server connection released twice", zap.Uint32("pid", c.PID), zap.Stringer("state", c.state))
		return
	}
	if c.cancels > 0 {
		c.state, c.keep = parked, keep
		p.mu.parked++
		p.mu.Unlock()
		return
	}
	reason := p.returnLocked(c, keep)
	p.mu.Unlock()
	p.closeFor(c, reason)
}

// discard closes a leased connection for a reason of the pool's own.
func (p *Pool) discard(c *Conn, reason Reason) {
	p.mu.Lock()
	p.forgetLocked(c)
	p.mu.Unlock()
	p.closeFor(c, reason)
}

// returnLocked finds the next place of a connection that nobody uses any more.
func (p *Pool) returnLocked(c *Conn, keep bool) Reason {
	now := p.owner.now()
	reason := p.judgeLocked(c, keep)
	if reason == ReasonNone && c.expired(now, p.owner.config()) {
		reason = ReasonLifetime
	}
	if reason != ReasonNone {
		p.forgetLocked(c)
		return reason
	}
	if w := p.mu.waiting.popFor(c); w != nil {
		c.idleSince = 0
		lendLocked(c)
		w.granted <- grant{conn: c}
		return ReasonNone
	}
	c.state, c.idleSince = idle, now
	p.mu.idle = append(p.mu.idle, c)
	return ReasonNone
}

func (p *Pool) judgeLocked(c *Conn, keep bool) Reason {
	switch {
	case !keep:
		return ReasonReleased
	case c.Tainted || c.unread():
		return ReasonUnclean
	case c.unsure:
		return ReasonCancel
	case p.mu.closed:
		return ReasonShutdown
	case c.gen < p.mu.dropped, p.outdatedLocked(c):
		return ReasonDropped
	case p.mu.size > p.owner.config().MaxConnections:
		return ReasonSurplus
	}
	return ReasonNone
}

// unread says whether something of the past lease is left to be read; otherwise the buffer is given back.
func (c *Conn) unread() bool {
	if c.Reader == nil {
		return false
	}
	c.Reader.Release()
	return c.Reader.Rest() > 0 || len(c.Reader.Buffered()) > 0
}

// forgetLocked gives the place of c to the first who waits. The caller closes c, outside the lock.
func (p *Pool) forgetLocked(c *Conn) {
	c.state = gone
	p.mu.waiting.released(c)
	p.mu.size--
	p.mu.stat.closed++
	p.grantPlacesLocked()
}

func (p *Pool) closeFor(c *Conn, reason Reason) {
	if reason == ReasonNone {
		return
	}
	p.owner.metrics.closed[reason].Inc()
	c.close()
	p.owner.noteDrained()
}
