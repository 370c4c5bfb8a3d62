package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/demo"
	"github.com/aioproxy/aioproxy/configs"
)

// serve runs aioproxy until ctx ends or a signal comes. path is the configuration file that SIGHUP reads again.
func serve(ctx context.Context, cfg *configs.Config, path string, log *zap.Logger) error {
	in, err := assemble(ctx, cfg, log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var reloads sync.WaitGroup
	reloads.Go(func() { in.reloadOn(ctx, hangups, path) })
	defer reloads.Wait()
	// The first signal begins the stop; with the handler gone, the second one ends the program.
	after := context.AfterFunc(ctx, stop)
	defer after()
	return in.run(ctx, func() {
		for _, a := range in.proxy.Addrs() {
			log.Info("accepting clients", zap.String("address", a.String()))
		}
		if in.admin != nil {
			log.Info("serving http", zap.String("address", in.admin.Addr().String()))
		}
	})
}

// reloadOn applies the configuration file again each time a signal comes.
func (in *instance) reloadOn(ctx context.Context, hangups <-chan os.Signal, path string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if path == "" {
				in.log.Warn("nothing to reload: aioproxy runs without a configuration file")
				continue
			}
			if err := in.reload(); err != nil {
				in.log.Error("configuration not reloaded, the old one stays in force", zap.Error(err))
			}
		}
	}
}

// run starts everything, calls ready when clients are accepted, and returns when all of it has ended.
func (in *instance) run(ctx context.Context, ready func()) error {
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
		in.lookup.Close(closing)
	}
	in.work.Wait()
	return errors.Join(err, in.store.Close(closing))
}

// firstLook waits briefly for the nodes' first answers, so that the first client does not find an unknown cluster.
func (in *instance) firstLook(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	if err := in.cluster.WaitChecked(ctx); err != nil && ctx.Err() == nil {
		in.log.Warn("nodes not checked yet", zap.Error(err))
	}
}

// startDemoProxy runs aioproxy in this process for the demo and returns when it accepts clients.
func startDemoProxy(ctx context.Context, opt demo.ProxyOptions) (func() error, error) {
	cfg, err := demoConfig(opt)
	if err != nil {
		return nil, err
	}
	in, err := assemble(ctx, cfg, zap.NewNop())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	accepting := make(chan struct{})
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- in.run(ctx, func() { close(accepting) }) })
	select {
	case <-accepting:
		return func() error {
			cancel()
			running.Wait()
			return <-ended
		}, nil
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("aioproxy did not start: %w", err)
	}
}

// controlTo returns a function that connects the control role to the primary.
func (in *instance) controlTo(database string) func(ctx context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		return in.connectAny(ctx, database)
	}
}
