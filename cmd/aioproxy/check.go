package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"
)

const checkHelp = `Usage: aioproxy check [FILE]

Validates the configuration, then connects to every node as the control role and to Redis, if configured, and tells what
it found: role, version, lag, and whether the control role may do what aioproxy needs of it. Nothing is changed.

Exit code: 0 all is well, 1 a server cannot be reached or refuses something, 2 the configuration is wrong.
`

func checkCommand() command {
	return command{
		name: "check", summary: "validate the configuration and try the servers", help: checkHelp,
		flags: func(set *pflag.FlagSet) func(context.Context, []string, streams) error {
			f := addConfigFlags(set, false)
			offline := set.Bool("offline", false, "validate only, connect to nothing")
			return func(ctx context.Context, args []string, std streams) error {
				if len(args) > 1 || len(args) == 1 && f.path != "" {
					return usagef("check takes one file")
				}
				if len(args) == 1 {
					f.path = args[0]
				}
				return check(ctx, f, *offline, std)
			}
		},
	}
}

func check(ctx context.Context, f *configFlags, offline bool, std streams) error {
	c, err := f.load(std.err)
	if err != nil {
		return err
	}
	if f.path != "" {
		fmt.Fprintf(std.out, "%s is valid\n", f.path)
	}
	if offline {
		return nil
	}
	nodes := askNodes(ctx, c)
	printNodes(std.out, nodes)
	problems := clusterProblems(nodes)
	if c.Cache.Store == store.Redis {
		if err := pingRedis(ctx, c.Cache.Redis); err != nil {
			problems = append(problems, fmt.Sprintf("Redis %s: %s", c.Cache.Redis.Address, oneLine(err)))
		} else {
			fmt.Fprintf(std.out, "Redis %s answers\n", c.Cache.Redis.Address)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	fmt.Fprintln(std.out)
	for _, p := range problems {
		fmt.Fprintln(std.out, "! "+p)
	}
	return errReported
}

// askNodes asks all nodes at once and returns their answers in the order of the configuration.
func askNodes(ctx context.Context, c *configs.Config) []nodeReport {
	reports := make([]nodeReport, len(c.Cluster.Nodes))
	var all sync.WaitGroup
	for i, addr := range c.Cluster.Nodes {
		all.Go(func() { reports[i] = askNode(ctx, c, addr) })
	}
	all.Wait()
	return reports
}

func pingRedis(ctx context.Context, cfg store.RedisConfig) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{
		Addr: cfg.Address, Username: cfg.Username, Password: cfg.Password, DB: cfg.Database, MaxRetries: -1,
	})
	defer func() { _ = client.Close() }()
	return client.Ping(ctx).Err()
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
