package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/demo"
	"github.com/aioproxy/aioproxy/cmd/aioproxy/instance"
	"github.com/aioproxy/aioproxy/configs"
)

// serve runs aioproxy until ctx ends or a signal comes. path is the configuration file that SIGHUP reads again.
func serve(ctx context.Context, cfg *configs.Config, path string, log *zap.Logger) error {
	in, err := instance.New(ctx, cfg, log, setLevelOf(log))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var reloads sync.WaitGroup
	reloads.Go(func() { reloadOn(ctx, in, log, hangups, path) })
	defer reloads.Wait()
	// The first signal begins the stop; with the handler gone, the second one ends the program.
	after := context.AfterFunc(ctx, stop)
	defer after()
	return in.Run(ctx, func() {
		for _, a := range in.Addrs() {
			log.Info("accepting clients", zap.String("address", a.String()))
		}
		if a := in.AdminAddr(); a != nil {
			log.Info("serving http", zap.String("address", a.String()))
		}
	})
}

// reloadOn applies the configuration file again each time a signal comes.
func reloadOn(ctx context.Context, in *instance.Instance, log *zap.Logger, hangups <-chan os.Signal, path string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if path == "" {
				log.Warn("nothing to reload: aioproxy runs without a configuration file")
				continue
			}
			if err := in.Reload(); err != nil {
				log.Error("configuration not reloaded, the old one stays in force", zap.Error(err))
			}
		}
	}
}

// startDemoProxy runs aioproxy in this process for the demo and returns when it accepts clients.
func startDemoProxy(ctx context.Context, opt demo.ProxyOptions) (func() error, error) {
	cfg, err := demoConfig(opt)
	if err != nil {
		return nil, err
	}
	in, err := instance.New(ctx, cfg, zap.NewNop(), nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	accepting := make(chan struct{})
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- in.Run(ctx, func() { close(accepting) }) })
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
