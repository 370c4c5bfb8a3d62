package instance

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Addrs are the addresses at which clients are accepted.
func (in *Instance) Addrs() []net.Addr { return in.proxy.Addrs() }

// AdminAddr is the address of HTTP, nil if there is none.
func (in *Instance) AdminAddr() net.Addr {
	if in.admin == nil {
		return nil
	}
	return in.admin.Addr()
}

// Run starts everything, calls ready when clients are accepted, and returns when all of it has ended.
func (in *Instance) Run(ctx context.Context, ready func()) error {
	if err := in.proxy.Listen(ctx); err != nil {
		return err
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	group, work := errgroup.WithContext(work)
	group.Go(func() error { return in.cluster.Run(work) })
	group.Go(func() error { return in.catalog.Run(work) })
	group.Go(func() error { return in.pools.Run(work) })
	if in.admin != nil {
		group.Go(func() error { return in.admin.Serve(work) })
	}
	in.firstLook(ctx)
	ready()
	// What fails in the background ends the service, cleanly.
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	defer context.AfterFunc(work, stopServing)()
	err := in.proxy.Serve(serving)
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	err = errors.Join(err, in.pools.Close(closing))
	stopWork()
	if werr := group.Wait(); werr != nil && !errors.Is(werr, context.Canceled) {
		err = errors.Join(err, werr)
	}
	if in.lookup != nil {
		err = errors.Join(err, in.lookup.Close(closing))
	}
	in.work.Wait()
	return errors.Join(err, in.store.Close(closing))
}

// firstLook waits briefly for the nodes' first answers, so that the first client does not find an unknown cluster.
func (in *Instance) firstLook(ctx context.Context) {
	look, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	if err := in.cluster.WaitChecked(look); err != nil && ctx.Err() == nil {
		in.log.Warn("nodes not checked yet", zap.Error(err))
	}
}

// controlTo returns a function that connects the control role to the primary.
func (in *Instance) controlTo(database string) func(ctx context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		return in.connectAny(ctx, database)
	}
}
