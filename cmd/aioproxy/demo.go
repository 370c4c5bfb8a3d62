package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/cmd/aioproxy/demo"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

const demoHelp = `Usage: aioproxy demo [flags]

Starts a throw-away PostgreSQL primary with one streaming replica, Redis and aioproxy in front of them, loads a sample, and
shows statement by statement what aioproxy does. Stays up until Ctrl-C and leaves nothing behind. The servers must be
installed; "make demo" does that. Without Redis results are cached in the process. If the ports are taken, the next free
ones are used.
`

func demoCommand() command {
	return command{
		name: "demo", summary: "show everything on servers of its own", help: demoHelp,
		flags: func(set *pflag.FlagSet) func(context.Context, []string, streams) error {
			opt := demo.Options{StartProxy: startDemoProxy}
			set.BoolVar(&opt.Check, "check", false, "end after the tour, with exit code 1 if a step did not go where it should")
			set.StringVar(&opt.Listen, "listen", "127.0.0.1:6432", "`address` for clients")
			set.StringVar(&opt.AdminListen, "admin-listen", "127.0.0.1:9632", "`address` of HTTP")
			set.IntVar(&opt.Rows, "rows", 1_200_000, "rows of the table events")
			return func(ctx context.Context, args []string, std streams) error {
				if len(args) > 0 {
					return usagef("demo takes no arguments")
				}
				opt.Out = std.out
				err := demo.Run(ctx, opt)
				if errors.Is(err, context.Canceled) && ctx.Err() != nil && !opt.Check {
					return nil // Ctrl-C while it loads is no failure either
				}
				return err
			}
		},
	}
}

// demoConfig is the configuration that a demo asks for.
func demoConfig(p demo.ProxyOptions) (*configs.Config, error) {
	return configs.Load("", func(c *configs.Config) {
		c.Proxy.Listen = []string{p.Listen}
		c.Proxy.AdminListen = p.AdminListen
		c.Proxy.Control.User = p.ControlUser
		c.Proxy.Control.Database = p.ControlDatabase
		c.Auth.Method = auth.Method(p.AuthMethod)
		c.Cluster.Nodes = p.Nodes
		c.Cluster.ReplicaWait = p.ReplicaWait
		c.Router.Classes.OLAP.TimeTTL = p.TimeTTL
		c.Router.Classes.TimeSeries.TimeTTL = p.TimeTTL
		if p.RedisAddr != "" {
			c.Cache.Store = store.Redis
			c.Cache.Redis.Address = p.RedisAddr
		}
	})
}
