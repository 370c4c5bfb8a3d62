package backend

import (
	"context"
	"time"

	"github.com/aioproxy/aioproxy/proxy/auth"
)

// DialApart returns a connection that belongs to the caller alone: it was never in a pool, goes to none and does not count
// towards max_connections. parameters go into the start-up packet as they are. Errors are those of [Dial].
func (ps *Pools) DialApart(ctx context.Context, key Key, cred *auth.Credentials, parameters [][2]string) (*Conn, error) {
	cfg := ps.config()
	began := time.Now()
	c, err := ps.deps.Dial(ctx, DialConfig{
		Addr: key.Node, Database: key.Database, User: key.User, Credentials: cred, TLS: ps.deps.TLS,
		Parameters: parameters, ConnectTimeout: cfg.ConnectTimeout,
	})
	ps.metrics.dialled(err, time.Since(began))
	return c, err
}

// CancelApart is [Pools.Cancel] for a connection of DialApart. The caller sees to it that c is open.
func (ps *Pools) CancelApart(ctx context.Context, c *Conn) error {
	ctx, stop := context.WithTimeoutCause(ctx, ps.config().ConnectTimeout, errCancelTimeout)
	defer stop()
	_, err := ps.deps.Cancel(ctx, c)
	ps.metrics.cancelled(err)
	return err
}
