package backend

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aioproxy/aioproxy/proxy/auth"
)

const (
	// janitorDials bounds how many connections the janitor dials at once.
	janitorDials = 4
	// redialAfter is how long the janitor leaves a pool alone whose dial failed.
	redialAfter = 5 * time.Second
)

// Run does what time has to do until ctx ends: close what was idle too long, lived too long or was closed by its server,
// keep min_connections, remove pools that nobody uses.
func (ps *Pools) Run(ctx context.Context) error {
	timer := time.NewTimer(ps.period())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		ps.tidy(ctx)
		timer.Reset(ps.period())
	}
}

// period is a second, or less where shorter times are to be kept.
func (ps *Pools) period() time.Duration {
	cfg := ps.config()
	d := time.Second
	for _, limit := range []time.Duration{cfg.IdleTimeout, cfg.MaxLifetime} {
		if limit > 0 {
			d = min(d, limit/4)
		}
	}
	return max(d, 10*time.Millisecond)
}

func (ps *Pools) tidy(ctx context.Context) {
	var dials errgroup.Group
	dials.SetLimit(janitorDials)
	for _, p := range ps.all() {
		p.closeStale()
		for range p.missing() {
			dials.Go(func() error {
				p.refill(ctx)
				return nil
			})
		}
		ps.removeIfUnused(p)
	}
	_ = dials.Wait() // refill keeps its error in the pool
}

// closeStale closes idle connections that are past a limit or dead. Looking at them costs a system call each that does
// not wait, so it happens under the lock.
func (p *Pool) closeStale() {
	type stale struct {
		conn   *Conn
		reason Reason
	}
	var out []stale
	now, cfg := p.owner.now(), p.owner.config()
	p.mu.Lock()
	kept := p.mu.idle[:0]
	for _, c := range p.mu.idle {
		reason := staleness(c, now, cfg, p.mu.size)
		if p.outdatedLocked(c) {
			reason = ReasonDropped // its tenant has left
		}
		if reason == ReasonNone {
			kept = append(kept, c)
			continue
		}
		p.forgetLocked(c)
		out = append(out, stale{c, reason})
	}
	clear(p.mu.idle[len(kept):])
	p.mu.idle = kept
	p.mu.Unlock()
	for _, s := range out {
		if s.reason == ReasonDead {
			p.bereave(s.conn, nil)
		}
		p.closeFor(s.conn, s.reason)
	}
}

// staleness: size is how many connections the pool has with this one.
func staleness(c *Conn, now time.Duration, cfg *Config, size int) Reason {
	idleFor := now - c.idleSince
	switch {
	case c.expired(now, cfg):
		return ReasonLifetime
	case cfg.IdleTimeout > 0 && idleFor > cfg.IdleTimeout && size > cfg.MinConnections:
		return ReasonIdle
	case size > cfg.MaxConnections:
		return ReasonSurplus
	case c.Private && c.owner == 0:
		return ReasonUnclean // its tenant has left
	case idleFor > checkAfter && !c.probe():
		return ReasonDead
	}
	return ReasonNone
}

// missing is how many connections are to be dialled to keep min_connections: for pools that had a client who could
// log in.
func (p *Pool) missing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.wanted || !p.mu.proven || p.owner.now() < p.mu.retryAt {
		return 0
	}
	return max(0, p.owner.config().MinConnections-p.mu.size)
}

// refill dials one connection and releases it, to whoever waits by now.
func (p *Pool) refill(ctx context.Context) {
	p.mu.Lock()
	if p.mu.closed || p.mu.removed || p.mu.size >= p.owner.config().MinConnections {
		p.mu.Unlock()
		return
	}
	gen := p.reserveLocked()
	p.mu.Unlock()
	c, err := p.dial(ctx, gen, false)
	if err == nil {
		p.release(c, true)
		return
	}
	p.mu.Lock()
	p.mu.retryAt = p.owner.now() + redialAfter
	if hopeless(err) {
		p.mu.wanted = false
	}
	p.mu.Unlock()
}

// hopeless: only another client, with other credentials perhaps, can change the outcome.
func hopeless(err error) bool {
	var refused *ServerError
	var stale *auth.StaleKeysError
	var missing *auth.MissingCredentialsError
	return errors.As(err, &stale) || errors.As(err, &missing) || errors.As(err, &refused) && refused.Final()
}

// removeIfUnused bounds the number of pools by the number of those in use. Who holds a handle finds the successor
// through it.
func (ps *Pools) removeIfUnused(p *Pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.size > 0 || p.mu.waiting.n > 0 || p.mu.closed || p.mu.removed {
		return
	}
	if p.mu.wanted && p.mu.proven && ps.config().MinConnections > 0 {
		return // to be refilled
	}
	p.mu.removed = true
	delete(ps.mu.pools, p.key)
}
