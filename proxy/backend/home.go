package backend

import (
	"context"

	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// Tenant is a client of a pool that comes again and again. As long as there are connections enough it is at home on one that
// is no other tenant's home: it gets that one whenever it is idle, and nobody else gets it while there are others. So what a
// client may look at without asking for it, as the process id of its server, stays what it was as long as that is possible.
// A Tenant belongs to one goroutine.
type Tenant struct {
	ID   uint64 // not 0
	home *Conn
	lost []byte // the last words of a home that the tenant itself found closed
}

// Lost returns the last words of a home that was found closed when the tenant wanted it, an ErrorResponse, once; nil if
// nothing was lost.
func (t *Tenant) Lost() []byte {
	words := t.lost
	t.lost = nil
	return words
}

// Home is the connection the tenant is at home on, nil if there is none. It is not leased by that.
func (t *Tenant) Home() *Conn { return t.home }

// livesOn reports whether a connection is the tenant's home; nil is nobody.
func (p *Pool) livesOn(t *Tenant, c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return t != nil && c.owner == t.ID
}

// Leave gives the home up.
func (t *Tenant) Leave() {
	c := t.home
	if c == nil {
		return
	}
	t.home = nil
	c.pool.mu.Lock()
	if c.owner == t.ID {
		c.owner = 0
	}
	c.pool.mu.Unlock()
}

// Settle finds the tenant a home: an idle connection that is nobody's, best with the settings that are wanted, or a new one
// if there is room. Without either the tenant has none, which is not an error. A tenant that has a home keeps it.
func (p *Pool) Settle(ctx context.Context, cred *auth.Credentials, want *Settings, t *Tenant) error {
	if t.home != nil && t.home.pool != p {
		t.Leave()
	}
	p.mu.Lock()
	if t.home != nil && t.home.state != gone {
		p.mu.Unlock()
		return nil
	}
	for at := p.vacantLocked(want); at >= 0; at = p.vacantLocked(want) {
		c := p.takeLocked(at)
		p.mu.Unlock()
		if c.Private {
			p.discard(c, ReasonUnclean)
		} else if p.usable(c) {
			p.moveIn(t, c)
			return nil
		} else {
			p.suspect()
			p.discard(c, ReasonDead)
		}
		p.mu.Lock()
	}
	if p.mu.closed || p.mu.removed || p.mu.waiting.n > 0 || p.mu.size >= p.owner.config().MaxConnections {
		p.mu.Unlock()
		return nil
	}
	if cred != nil {
		p.mu.cred = cred
	}
	p.mu.wanted = true
	gen := p.reserveLocked()
	p.mu.Unlock()
	c, err := p.dial(ctx, gen, false)
	if err == nil {
		p.moveIn(t, c)
	}
	return err
}

// moveIn makes a leased connection the tenant's home and releases it.
func (p *Pool) moveIn(t *Tenant, c *Conn) {
	p.mu.Lock()
	t.moveLocked(c)
	p.mu.Unlock()
	p.release(c, true)
}

// vacantLocked returns the place of an idle connection that is nobody's home; -1 if there is none.
func (p *Pool) vacantLocked(want *Settings) int {
	found := -1
	for i := len(p.mu.idle) - 1; i >= 0; i-- {
		switch c := p.mu.idle[i]; {
		case c.owner != 0, p.outdatedLocked(c):
		case c.Applied == want:
			return i
		case found < 0:
			found = i
		}
	}
	return found
}

func (t *Tenant) moveLocked(c *Conn) { t.home, c.owner = c, t.ID }

// AcquireFor is Acquire for a tenant, who gets prefer if that is idle, and home otherwise. A tenant without a home is at home
// from now on on what it gets, if that is nobody's.
func (p *Pool) AcquireFor(ctx context.Context, cred *auth.Credentials, want *Settings, t *Tenant, prefer *Conn) (*Conn, error) {
	if t.home != nil && t.home.pool != p {
		t.Leave() // the pool of a node that was the primary
	}
	if prefer == nil || prefer.pool != p {
		prefer = t.home
	}
	c, err := p.acquire(ctx, wish{cred: cred, want: want, prefer: prefer, tenant: t})
	if err == nil && (t.home == nil || t.home != c) {
		p.rehouse(t, c)
	}
	return c, err
}

// rehouse moves a tenant whose home is gone, or who never had one.
func (p *Pool) rehouse(t *Tenant, c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.pool == p && c.owner == 0 && !p.outdatedLocked(c) && (t.home == nil || t.home.state == gone) {
		t.moveLocked(c)
	}
}

// AcquireHome leases the tenant's home and waits for it if somebody else has it; an error does not mean that there are no
// other connections.
func (p *Pool) AcquireHome(ctx context.Context, cred *auth.Credentials, want *Settings, t *Tenant) (*Conn, error) {
	if t.home == nil || t.home.pool != p {
		return nil, ErrNotHome
	}
	c, err := p.acquire(ctx, wish{cred: cred, want: want, prefer: t.home, only: true, tenant: t})
	if err == nil && c != t.home {
		p.release(c, true)
		return nil, ErrNotHome
	}
	return c, err
}

// bereave tells whose home a connection was, which its server has closed. finder is who wanted to lease it; nil for the
// janitor.
func (p *Pool) bereave(c *Conn, finder *Tenant) {
	p.mu.Lock()
	tenant := c.owner
	p.mu.Unlock()
	tell := p.owner.deps.Bereaved
	found := finder != nil && finder.ID == tenant
	if tenant == 0 || tell == nil && !found {
		return
	}
	var words []byte
	if c.Reader != nil {
		b := c.Reader.Buffered()
		if h, ok, err := pgwire.Peek(b); err == nil && ok && h.Type == 'E' && h.Len <= len(b) {
			words = append(words, b[:h.Len]...)
		}
	}
	if found {
		finder.lost = words
		return
	}
	tell(tenant, p.key.Node, words)
}

// wish is what somebody wants of a pool.
type wish struct {
	cred   *auth.Credentials
	want   *Settings // best
	prefer *Conn     // if idle; nil for none
	only   bool      // prefer or nothing, for as long as that exists
	tenant *Tenant   // nil for nobody in particular
}
