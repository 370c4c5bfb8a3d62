package backend

import (
	"context"
	"time"
)

func (p *Pool) queueLocked() *waiter {
	w := waiters.Get().(*waiter)
	w.since, w.only = p.owner.now(), nil
	p.mu.waiting.push(w)
	p.mu.stat.waits++
	return w
}

// wait returns w to its sync.Pool: once nothing can be sent to it and nothing is left in it.
func (p *Pool) wait(ctx context.Context, w *waiter) (*Conn, error) {
	defer waiters.Put(w)
	var expired <-chan time.Time
	if limit := p.owner.config().AcquireTimeout; limit > 0 {
		w.timer.Reset(limit)
		defer w.timer.Stop()
		expired = w.timer.C
	}
	select {
	case g := <-w.granted:
		return p.accept(ctx, w, g)
	case <-expired:
		if err := p.giveUp(w, nil); err != nil {
			return nil, err
		}
		return p.accept(ctx, w, <-w.granted)
	case <-ctx.Done():
		if err := p.giveUp(w, context.Cause(ctx)); err != nil {
			return nil, err
		}
		p.refuse(<-w.granted)
		return nil, context.Cause(ctx)
	}
}

// giveUp leaves the queue and returns the error for it: cause, or without one a TimeoutError. It returns nil if the
// grant came first: then it is in the channel and w must take it.
func (p *Pool) giveUp(w *waiter, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.queued {
		return nil
	}
	p.mu.waiting.remove(w)
	waited := p.waitedLocked(w)
	if cause != nil {
		return cause
	}
	p.mu.stat.timeouts++
	p.owner.metrics.timeouts.Inc()
	return &TimeoutError{
		Key: p.key, MaxConnections: p.owner.config().MaxConnections, Waiting: p.mu.waiting.n,
		Waited: waited, LastDial: p.mu.lastDial,
	}
}

// accept is what a waiter does with its grant. A place to dial is used even if time has just run out: connect_timeout
// bounds the rest.
func (p *Pool) accept(ctx context.Context, w *waiter, g grant) (*Conn, error) {
	p.mu.Lock()
	p.waitedLocked(w)
	p.mu.Unlock()
	if g.err != nil {
		return nil, g.err
	}
	if g.conn != nil {
		return g.conn, nil
	}
	return p.dial(ctx, g.gen, true)
}

// refuse passes a grant on that came too late.
func (p *Pool) refuse(g grant) {
	switch {
	case g.conn != nil:
		p.release(g.conn, true)
	case g.err == nil:
		p.mu.Lock()
		p.mu.dialing--
		p.mu.size--
		p.grantPlacesLocked()
		p.mu.Unlock()
		p.owner.noteDrained()
	}
}

func (p *Pool) waitedLocked(w *waiter) time.Duration {
	waited := p.owner.now() - w.since
	p.mu.stat.waitTime += waited
	p.mu.stat.maxWait = max(p.mu.stat.maxWait, waited)
	p.owner.metrics.wait.Observe(waited.Seconds())
	return waited
}

// grantPlacesLocked lets those who wait dial while there is room.
func (p *Pool) grantPlacesLocked() {
	for p.mu.waiting.n > 0 && p.mu.size < p.owner.config().MaxConnections {
		w := p.mu.waiting.popFor(nil)
		if w == nil {
			return
		}
		w.granted <- grant{gen: p.reserveLocked()}
	}
}
