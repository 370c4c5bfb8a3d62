package backend

import "context"

// Cancel asks the server to cancel what it runs for this lease and returns when the server has taken notice (it
// closes the connection of the request after it has sent the signal; "may be too late" remains true). A statement of a
// later lease is never hit: if the lease ends meanwhile, the connection is kept aside until the cancel is over, and it
// is closed if nobody can tell whether it is. ErrNotLeased: nothing was sent.
func (ps *Pools) Cancel(ctx context.Context, t Ticket) error {
	if t.conn == nil {
		return ErrNotLeased
	}
	p := t.conn.pool
	if !p.beginCancel(t) {
		return ErrNotLeased
	}
	ctx, stop := context.WithTimeoutCause(ctx, ps.config().ConnectTimeout, errCancelTimeout)
	defer stop()
	sent, err := ps.deps.Cancel(ctx, t.conn)
	p.endCancel(t.conn, sent && err != nil)
	ps.metrics.cancelled(err)
	return err
}

func (p *Pool) beginCancel(t Ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.conn.state != leased || t.conn.leases != t.lease {
		return false
	}
	t.conn.cancels++
	return true
}

// endCancel also does what Release had to put off.
func (p *Pool) endCancel(c *Conn, unsure bool) {
	p.mu.Lock()
	c.cancels--
	c.unsure = c.unsure || unsure
	if c.cancels > 0 || c.state != parked {
		p.mu.Unlock()
		return
	}
	p.mu.parked--
	reason := p.returnLocked(c, c.keep)
	p.mu.Unlock()
	p.closeFor(c, reason)
}
