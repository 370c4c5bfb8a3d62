package backend

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// farewell bounds how long DropDatabase waits for one server process to end. PostgreSQL's DROP DATABASE itself waits five
// seconds for the others (CountOtherDBBackends, procarray.c).
const farewell = 2 * time.Second

// Drop closes the idle connections to a node, and the leased ones when they are released: it has another role now,
// or is no longer one of ours.
func (ps *Pools) Drop(node string) {
	for _, p := range ps.all() {
		if p.key.Node != node {
			continue
		}
		p.mu.Lock()
		p.mu.gen++
		p.mu.dropped = p.mu.gen
		conns := p.takeAllIdleLocked()
		p.mu.Unlock()
		for _, c := range conns {
			p.closeFor(c, ReasonDropped)
		}
	}
}

// DropDatabase closes the idle connections to a database on all nodes, but for those that a tenant is at home on, and returns
// when their server processes have gone, so that DROP DATABASE, ALTER DATABASE ... RENAME and CREATE DATABASE ... TEMPLATE find it unused; or after two
// seconds, or when ctx ends. min_connections are not kept until a client comes again.
func (ps *Pools) DropDatabase(ctx context.Context, database string) {
	var wg sync.WaitGroup
	for _, p := range ps.all() {
		if p.key.Database != database {
			continue
		}
		p.mu.Lock()
		p.mu.wanted = false
		conns := p.takeVacantLocked()
		p.mu.Unlock()
		for _, c := range conns {
			wg.Go(func() {
				c.leave(ctx)
				p.closeFor(c, ReasonDropped)
			})
		}
	}
	wg.Wait()
}

// leave returns when the server has closed the connection: a backend leaves the list of those in its database before
// it exits.
func (c *Conn) leave(ctx context.Context) {
	if c.Wire == nil {
		return
	}
	if c.Wire.SetDeadline(time.Now().Add(farewell)) != nil || c.Wire.Write(terminate) != nil {
		return
	}
	_ = untilEOF(ctx, c.Reader)
}

// untilEOF drops what still comes. A reset is as good an end: the server has closed with bytes of ours unread.
func untilEOF(ctx context.Context, r *pgwire.Reader) error {
	defer interruptOn(ctx, r.Conn())()
	for {
		err := r.Fill()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			return nil
		case err != nil:
			return err
		}
		r.Discard(len(r.Buffered()))
	}
}
