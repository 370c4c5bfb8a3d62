package backend

import (
	"context"
	"errors"
	"time"

	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// codeTooMany is what a server says that has no room for one more connection (too_many_connections).
const codeTooMany = "53300"

// maxEvictions bounds how many connections give way to one.
const maxEvictions = 3

// dialOrTake is dial, and where the server has no room for one more it lends what is idle, though that is somebody's home.
func (p *Pool) dialOrTake(ctx context.Context, gen uint64) (*Conn, error) {
	c, err := p.dial(ctx, gen, true)
	if _, full := tooMany(err); !full {
		return c, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.mu.idle); n > 0 {
		return p.takeLocked(n - 1), nil
	}
	return nil, err
}

// dialInTurn dials, and where the server has no room closes what has been idle longest on that server, in whatever pool that
// is in the way; none if this pool has an idle connection itself.
func (p *Pool) dialInTurn(ctx context.Context, cred *auth.Credentials) (*Conn, error) {
	c, err := p.dialOnce(ctx, cred)
	for range maxEvictions {
		refused, full := tooMany(err)
		if !full || p.hasIdle() || !p.owner.evict(ctx, p.inTheWay(refused)) {
			break
		}
		c, err = p.dialOnce(ctx, cred)
	}
	return c, err
}

func tooMany(err error) (refused *ServerError, full bool) {
	full = errors.As(err, &refused) && refused.Code == codeTooMany
	return refused, full
}

func (p *Pool) hasIdle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.idle) > 0
}

// inTheWay says which pools' connections count towards the limit that the server refers to: CONNECTION LIMIT of the role or of the
// database, which these functions of PostgreSQL's check, or max_connections.
func (p *Pool) inTheWay(refused *ServerError) func(Key) bool {
	own := p.key
	routine := string(pgwire.ErrorField(refused.Body, 'R'))
	return func(k Key) bool {
		switch {
		case k.Node != own.Node:
			return false
		case routine == "InitializeSessionUserId":
			return k.User == own.User
		case routine == "CheckMyDatabase":
			return k.Database == own.Database
		}
		return true
	}
}

func (p *Pool) dialOnce(ctx context.Context, cred *auth.Credentials) (*Conn, error) {
	return p.owner.dial(ctx, p.key, cred)
}

// evict closes the connection of these pools that has been idle longest, and returns when its server process has gone.
func (ps *Pools) evict(ctx context.Context, of func(Key) bool) bool {
	var from *Pool
	oldest := ps.now()
	for _, p := range ps.all() {
		if !of(p.key) {
			continue
		}
		p.mu.Lock()
		if len(p.mu.idle) > 0 && p.mu.idle[0].idleSince < oldest {
			from, oldest = p, p.mu.idle[0].idleSince
		}
		p.mu.Unlock()
	}
	if from == nil {
		return false
	}
	from.mu.Lock()
	if len(from.mu.idle) == 0 {
		from.mu.Unlock()
		return true // it is in use again, or gone
	}
	c := from.takeLocked(0)
	from.forgetLocked(c)
	from.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	c.leave(ctx)
	from.closeFor(c, ReasonEvicted)
	return true
}
