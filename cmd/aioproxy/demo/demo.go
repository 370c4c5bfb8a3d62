// Package demo shows what aioproxy does on servers of its own: it starts a primary,
// a streaming replica and Redis, loads a sample, runs a tour through the proxy and
// tells where each statement ran.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

const database = "demo"

// Options of a demo. StartProxy is required, the rest has defaults.
type Options struct {
	// Check ends the demo after the tour, with an error if a step did not go where it should.
	Check bool
	Out   io.Writer
	// Where the proxy listens; the next free port is used if that of the address is taken.
	Listen      string
	AdminListen string
	// Rows of the table events; the other tables scale with it.
	Rows int
	// StartProxy starts the proxy in this process and returns when it accepts clients.
	StartProxy func(ctx context.Context, p ProxyOptions) (stop func() error, err error)
}

// ProxyOptions is the configuration that the demo needs; all else is at its default.
type ProxyOptions struct {
	Listen      string
	AdminListen string
	Nodes       []string
	// RedisAddr is empty when results are to be kept in the process.
	RedisAddr       string
	ControlUser     string
	ControlDatabase string
	// AuthMethod is trust: the servers are throw-away and listen on the loopback interface only.
	AuthMethod string
	// TimeTTL is for the classes olap and timeseries: the tour repeats a query about the last day.
	TimeTTL time.Duration
	// ReplicaWait is longer than the default, because a laptop that just loaded a
	// million rows may stall a replica for longer than a server would.
	ReplicaWait time.Duration
}

func (o Options) withDefaults() Options {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:6432"
	}
	if o.AdminListen == "" {
		o.AdminListen = "127.0.0.1:9632"
	}
	if o.Rows <= 0 {
		o.Rows = 1_200_000
	}
	return o
}

// Run runs the demo. Unless Check is set it stays until ctx ends, which is no
// error. Whatever happens, it leaves nothing behind.
func Run(ctx context.Context, opt Options) (err error) {
	opt = opt.withDefaults()
	say := newConsole(opt.Out)

	cluster, err := startServers(ctx, say)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cluster.Close())
		say.line("Stopped; %s is removed.", cluster.Dir())
	}()
	if err := loadSample(ctx, cluster, opt.Rows, say); err != nil {
		return fmt.Errorf("load the sample: %w", err)
	}

	proxy := proxyOptions(opt, cluster)
	if proxy.Listen, err = nextFree(opt.Listen); err != nil {
		return err
	}
	if proxy.AdminListen, err = nextFree(opt.AdminListen); err != nil {
		return err
	}
	stop, err := opt.StartProxy(ctx, proxy)
	if err != nil {
		return fmt.Errorf("start the proxy: %w", err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	say.step("aioproxy listens on %s", proxy.Listen)

	deviations, err := runTour(ctx, cluster, proxy.Listen, say)
	if err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	if opt.Check {
		return verdict(deviations, say)
	}
	farewell(say, proxy)
	<-ctx.Done()
	return nil
}

// startServers does without Redis where it is not installed.
func startServers(ctx context.Context, say *console) (*testbed.Cluster, error) {
	opt := testbed.Options{Replicas: 1, Redis: true}
	if _, err := testbed.FindRedis(); err != nil {
		opt.Redis = false
		say.line("%v. Results are cached in the process instead.", err)
	}
	c, err := testbed.Start(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("start the servers: %w", err)
	}
	say.step("PostgreSQL primary on %s, streaming replica on %s", c.Primary().Addr(), c.Replicas()[0].Addr())
	if c.Redis() != nil {
		say.step("Redis on %s", c.Redis().Addr())
	}
	return c, nil
}

func proxyOptions(opt Options, c *testbed.Cluster) ProxyOptions {
	p := ProxyOptions{
		Nodes:           c.Addrs(),
		ControlUser:     "postgres",
		ControlDatabase: "postgres",
		AuthMethod:      "trust",
		TimeTTL:         time.Minute,
		ReplicaWait:     time.Second,
	}
	if c.Redis() != nil {
		p.RedisAddr = c.Redis().Addr()
	}
	return p
}

// runTour compares what the proxy at addr answers with the primary itself.
func runTour(ctx context.Context, c *testbed.Cluster, addr string, say *console) ([]string, error) {
	direct, err := c.Primary().Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = direct.Close(context.WithoutCancel(ctx)) }()
	proxied, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, database))
	if err != nil {
		return nil, err
	}
	defer func() { _ = proxied.Close(context.WithoutCancel(ctx)) }()

	t := &tour{proxied: proxied, direct: direct, last: readLast, say: say}
	if err := t.warmUp(ctx); err != nil {
		return nil, err
	}
	return t.run(ctx, tourSteps(time.Now()))
}

func farewell(say *console, p ProxyOptions) {
	host, port, err := net.SplitHostPort(p.Listen)
	if err != nil {
		host, port = p.Listen, ""
	}
	say.line("")
	say.line("Try it:   psql \"host=%s port=%s user=postgres dbname=%s\"", host, port, database)
	say.line("          SHOW aioproxy.last;   tells what happened to the statement before it")
	say.line("Metrics:  http://%s/metrics", p.AdminListen)
	say.line("Health:   http://%s/healthz  http://%s/readyz", p.AdminListen, p.AdminListen)
	say.line("Ctrl-C stops and removes everything.")
}
