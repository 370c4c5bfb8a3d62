package backend

// Renew makes connections that are dialled from now on the only ones that those get who come from now on, in the pools that
// match: roles or databases were changed in a way that PostgreSQL looks at when somebody connects. A tenant keeps the
// connection that it is at home on, because its own session began before the change.
func (ps *Pools) Renew(match func(Key) bool) {
	for _, p := range ps.all() {
		if !match(p.key) {
			continue
		}
		p.mu.Lock()
		p.mu.gen++
		p.mu.renewed = p.mu.gen
		conns := p.takeVacantLocked()
		p.mu.Unlock()
		for _, c := range conns {
			p.closeFor(c, ReasonDropped)
		}
	}
}

// outdatedLocked reports whether c is from before a Renew and not somebody's home.
func (p *Pool) outdatedLocked(c *Conn) bool { return c.gen < p.mu.renewed && c.owner == 0 }

// current reports whether c, just leased, may be used for a wish: one from before a Renew is its tenant's alone.
func (p *Pool) current(c *Conn, w wish) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.gen >= p.mu.renewed || w.tenant != nil && c.owner == w.tenant.ID
}

// Vacate closes the idle connections to a database on all nodes that are nobody's home, without waiting for their ends.
func (ps *Pools) Vacate(database string) {
	for _, p := range ps.all() {
		if p.key.Database != database {
			continue
		}
		p.mu.Lock()
		p.mu.wanted = false
		conns := p.takeVacantLocked()
		p.mu.Unlock()
		for _, c := range conns {
			p.closeFor(c, ReasonDropped)
		}
	}
}

// takeVacantLocked takes out the idle connections that are nobody's home; they are to be closed.
func (p *Pool) takeVacantLocked() []*Conn {
	var vacant []*Conn
	kept := p.mu.idle[:0]
	for _, c := range p.mu.idle {
		if c.owner != 0 {
			kept = append(kept, c)
		} else {
			vacant = append(vacant, c)
		}
	}
	clear(p.mu.idle[len(kept):])
	p.mu.idle = kept
	for _, c := range vacant {
		p.forgetLocked(c)
	}
	return vacant
}
