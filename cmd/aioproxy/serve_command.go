package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/spf13/pflag"

	"github.com/aioproxy/aioproxy/configs"
)

const serveHelp = `aioproxy is one DSN in front of PostgreSQL: it pools, routes and caches.

Usage: aioproxy [serve] --config FILE
       aioproxy [serve] --nodes HOST:PORT,... [--listen ADDRESS]
       aioproxy SUBCOMMAND ...

Runs until SIGINT or SIGTERM, then lets running transactions finish within shutdown_timeout; a second signal ends it at
once. SIGHUP reads the file again and applies what can be applied live. Flags win over the file. The control role's
password is taken from the environment variable ` + configs.ControlPasswordVariable + ` unless the file has one.
`

func serveCommand() command {
	return command{
		name: "serve", summary: "run the proxy (default)", help: serveHelp,
		flags: func(set *pflag.FlagSet) func(context.Context, []string, streams) error {
			f := addConfigFlags(set, true)
			profile := set.String("cpu-profile", "", "write a CPU profile to this `file` when aioproxy ends")
			return func(ctx context.Context, args []string, std streams) error {
				if len(args) > 0 {
					return usagef("serve takes no arguments, got %q", args[0])
				}
				return profiled(*profile, func() error { return startServing(ctx, f, std) })
			}
		},
	}
}

func startServing(ctx context.Context, f *configFlags, std streams) error {
	c, err := f.load(std.err)
	if err != nil {
		return err
	}
	logger, err := newLogger(c.Log, std.err)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return serve(ctx, c, f.path, logger)
}

// profiled runs f and writes a CPU profile of it to path, if that is not empty.
func profiled(path string, f func() error) error {
	if path == "" {
		return f()
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // writing the file that the operator names is the purpose
	if err != nil {
		return fmt.Errorf("cpu-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return errors.Join(fmt.Errorf("cpu-profile: %w", err), out.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, out.Close())
}
