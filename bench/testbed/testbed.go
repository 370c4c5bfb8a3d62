// Package testbed starts real servers for tests, benchmarks and the demo: a
// PostgreSQL primary, streaming replicas and Redis, on free ports of 127.0.0.1,
// in a directory that it removes. They end with the process that started them,
// even if that is killed.
//
// Role postgres and the members of role trusted log in without a password, every
// other role by scram-sha-256.
package testbed

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// Options say what to start; the zero value is a lone primary.
type Options struct {
	Replicas int
	Redis    bool
	// Conf is added to the postgresql.conf of every node; values are quoted here.
	Conf map[string]string
	// Log is told about progress; nil for silence.
	Log func(format string, args ...any)
}

// Cluster is a set of running servers.
type Cluster struct {
	account  account
	bindir   string
	dir      *workDir
	launcher *launcher
	primary  *Node
	replicas []*Node
	redis    *RedisServer
}

// Start returns when every server answers and every replica streams. What is not
// installed is an error that wraps ErrNotInstalled.
func Start(ctx context.Context, opt Options) (*Cluster, error) {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, opt)
		if err == nil || attempt == attempts || !errors.Is(err, errPortTaken) {
			return c, err
		}
	}
}

func start(ctx context.Context, opt Options) (*Cluster, error) {
	if opt.Log == nil {
		opt.Log = func(string, ...any) {}
	}
	c, err := prepare(opt)
	if err != nil {
		return nil, err
	}
	if err := c.bringUp(ctx, opt); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// prepare finds programs, a directory and ports; nothing runs yet.
func prepare(opt Options) (*Cluster, error) {
	c := &Cluster{}
	var err error
	if c.bindir, err = FindPostgres(); err != nil {
		return nil, err
	}
	if opt.Redis {
		if c.redis, err = c.newRedis(); err != nil {
			return nil, err
		}
	}
	if c.account, err = findAccount(); err != nil {
		return nil, err
	}
	if c.dir, err = newWorkDir(c.account); err != nil {
		return nil, err
	}
	if err := c.newNodes(opt.Replicas); err != nil {
		return nil, errors.Join(err, c.dir.remove())
	}
	c.launcher = newLauncher()
	return c, nil
}

func (c *Cluster) newRedis() (*RedisServer, error) {
	path, err := FindRedis()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	return &RedisServer{c: c, path: path, port: port}, err
}

func (c *Cluster) newNodes(replicas int) error {
	for i := range replicas + 1 {
		port, err := freePort()
		if err != nil {
			return err
		}
		name := "primary"
		if i > 0 {
			name = fmt.Sprintf("replica%d", i)
		}
		n := &Node{Host: host, Port: port, Name: name, c: c}
		n.dataDir = filepath.Join(c.dir.path, name)
		n.logPath = n.dataDir + ".log"
		if i == 0 {
			c.primary = n
		} else {
			c.replicas = append(c.replicas, n)
		}
	}
	return nil
}

func (c *Cluster) bringUp(ctx context.Context, opt Options) error {
	opt.Log("initialising PostgreSQL in %s", c.dir.path)
	if err := c.initdb(ctx); err != nil {
		return err
	}
	for _, r := range c.replicas {
		if err := c.clone(ctx, r); err != nil {
			return err
		}
	}
	for _, n := range c.Nodes() {
		if err := c.writeConf(n, opt.Conf); err != nil {
			return err
		}
	}
	opt.Log("starting 1 primary and %d replica(s)", len(c.replicas))
	var g errgroup.Group
	if c.redis != nil {
		g.Go(c.redis.Start)
	}
	for _, n := range c.Nodes() {
		g.Go(n.Start)
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := c.primary.Exec(ctx, "postgres", "CREATE ROLE trusted NOLOGIN"); err != nil {
		return err
	}
	return c.waitStreaming(ctx)
}

func (c *Cluster) waitStreaming(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := c.primary.await(ctx,
		"SELECT count(*) = $1::int FROM pg_stat_replication WHERE state = 'streaming'", len(c.replicas))
	if err != nil {
		return err
	}
	return c.CatchUp(ctx)
}

// Primary is the node that started as primary, whatever was promoted since.
func (c *Cluster) Primary() *Node { return c.primary }

// Replicas are the nodes that started as replicas.
func (c *Cluster) Replicas() []*Node { return c.replicas }

// Nodes are the primary and the replicas, in this order.
func (c *Cluster) Nodes() []*Node { return append([]*Node{c.primary}, c.replicas...) }

// Addrs are the addresses of Nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.Nodes() {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// Redis is nil unless Options asked for it.
func (c *Cluster) Redis() *RedisServer { return c.redis }

// Dir is the cluster's directory, gone after Close.
func (c *Cluster) Dir() string { return c.dir.path }

// Close ends every server and removes the directory. Nothing in it is worth a
// clean shutdown, so frozen servers are no obstacle either.
func (c *Cluster) Close() error {
	for _, n := range c.Nodes() {
		n.Kill()
	}
	if c.redis != nil {
		c.redis.Kill()
	}
	c.launcher.close()
	return c.dir.remove()
}
