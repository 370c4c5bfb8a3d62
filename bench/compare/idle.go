package main

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// crowd is many clients that are logged in and do nothing.
type crowd []net.Conn

func (c crowd) leave() {
	for _, conn := range c {
		if conn != nil {
			_, _ = conn.Write(pgwire.AppendTerminate(nil))
			_ = conn.Close()
		}
	}
}

// gather logs n clients in.
func gather(ctx context.Context, t *target, n int) (crowd, error) {
	conns := make(crowd, n)
	var g errgroup.Group
	g.SetLimit(16)
	for i := range conns {
		g.Go(func() error {
			var err error
			conns[i], err = login(ctx, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		conns.leave()
		return nil, err
	}
	return conns, nil
}

// login is the least that a client must say under trust.
func login(ctx context.Context, t *target) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", t.addr())
	if err != nil {
		return nil, err
	}
	packet := pgwire.AppendStartup(nil, pgwire.Version30,
		pgwire.Param{Name: "user", Value: "postgres"}, pgwire.Param{Name: "database", Value: database})
	if _, err := c.Write(packet); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	r := pgwire.NewReader(pgwire.NewConn(c), pgwire.WindowSize)
	for {
		f, err := r.Next()
		switch {
		case err != nil:
			return nil, errors.Join(err, c.Close())
		case f.Type == pgwire.MsgErrorResponse:
			return nil, errors.Join(errors.New("login refused"), c.Close())
		case f.Type == pgwire.MsgReadyForQuery:
			return c, nil
		}
	}
}

// settleFor is how long a target may put things away before its memory is looked at.
const settleFor = 3 * time.Second

// idle measures memory by what it grows when n clients come.
func idle(n int) func(context.Context, *bench, *target) (sample, error) {
	return func(ctx context.Context, _ *bench, t *target) (sample, error) {
		before, err := used(t.pid())
		if err != nil {
			return nil, err
		}
		clients, err := gather(ctx, t, n)
		if err != nil {
			return nil, err
		}
		defer clients.leave()
		if !pause(ctx, settleFor) {
			return nil, context.Cause(ctx)
		}
		after, err := used(t.pid())
		if err != nil {
			return nil, err
		}
		return sample{perClient: float64(after.rss-before.rss) / 1024 / float64(n)}, nil
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func besideIdle(n int) func(context.Context, *bench, *target) (sample, error) {
	return func(ctx context.Context, b *bench, t *target) (sample, error) {
		clients, err := gather(ctx, t, n)
		if err != nil {
			return nil, err
		}
		defer clients.leave()
		return load(16, "-S", "-M", "simple")(ctx, b, t)
	}
}
