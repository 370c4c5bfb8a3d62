package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Cluster watches the nodes. All methods are safe for concurrent use.
type Cluster struct {
	cfg      Config
	deps     Deps
	log      *zap.Logger
	nodes    []*node
	byAddr   map[string]*node
	current  atomic.Pointer[Snapshot]
	progress broadcast // a position was answered or the snapshot changed
	ready    chan struct{}
	maxLag   atomic.Int64 // max_replica_lag
	wait     atomic.Int64 // replica_wait

	mu struct {
		sync.Mutex
		picture *picture
		isReady bool
	}
}

// New returns a cluster whose nodes are all unknown until Run checks them.
func New(cfg Config, deps Deps) *Cluster {
	c := &Cluster{cfg: cfg, deps: deps, log: deps.Log.Named("cluster"), byAddr: map[string]*node{}, ready: make(chan struct{})}
	for i, addr := range cfg.Nodes {
		n := newNode(c, i, addr)
		c.nodes = append(c.nodes, n)
		c.byAddr[addr] = n
	}
	c.mu.picture = newPicture(len(c.nodes))
	c.Tune(cfg)
	c.current.Store(c.mu.picture.snapshot(cfg.Nodes, cfg.MaxReplicaLag))
	return c
}

// Tune applies what a reload may change: max_replica_lag and replica_wait. The first shows from the next check on.
func (c *Cluster) Tune(cfg Config) {
	c.maxLag.Store(int64(cfg.MaxReplicaLag))
	c.wait.Store(int64(cfg.ReplicaWait))
}

// Run watches the nodes until ctx is over and closes all connections. Call it once.
func (c *Cluster) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, n := range c.nodes {
		g.Go(func() error {
			n.run(ctx)
			return nil
		})
	}
	return g.Wait()
}

// WaitChecked returns when every node was checked once, with the cause of ctx if that is over before.
func (c *Cluster) WaitChecked(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Snapshot returns the nodes as last seen.
func (c *Cluster) Snapshot() *Snapshot { return c.current.Load() }

// Primary returns the address of the primary; false if there is none.
func (c *Cluster) Primary() (string, bool) {
	v, ok := c.Snapshot().Primary()
	return v.Addr, ok
}

// Suspect has a node checked now: a session saw it fail. It does not wait.
func (c *Cluster) Suspect(addr string) {
	if n := c.byAddr[addr]; n != nil {
		signal(n.suspect)
	}
}

// observed takes in a check and publishes what follows from it.
func (c *Cluster) observed(i int, o observation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.picture.put(i, o, c.log)
	old, next := c.current.Load(), c.mu.picture.snapshot(c.cfg.Nodes, time.Duration(c.maxLag.Load()))
	c.current.Store(next)
	c.deps.Metrics.show(next)
	if !next.sameFor(old) {
		c.logChange(old, next)
		if c.deps.OnChange != nil {
			c.deps.OnChange(next)
		}
	}
	c.progress.send()
	c.noteReadyLocked(next)
}

func (c *Cluster) noteReadyLocked(s *Snapshot) {
	if c.mu.isReady {
		return
	}
	for i := range s.Nodes {
		if s.Nodes[i].Reason == NeverChecked {
			return
		}
	}
	c.mu.isReady = true
	close(c.ready)
}

// asked takes in the answer to a question.
func (c *Cluster) asked(role Role, p Position) {
	if role != RolePrimary {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.picture.lastPrimary.Timeline == p.Timeline {
		c.mu.picture.saw(p)
	}
}

func (c *Cluster) lastPrimary() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.picture.lastPrimary
}

func (c *Cluster) logChange(old, next *Snapshot) {
	for i := range next.Nodes {
		a, b := &old.Nodes[i], &next.Nodes[i]
		if a.Role == b.Role && a.Usable == b.Usable && a.Reason == b.Reason && a.Generation == b.Generation {
			continue
		}
		c.log.Info("node changed",
			zap.String("node", b.Addr), zap.Stringer("role", b.Role), zap.Bool("usable", b.Usable), zap.Stringer("reason", b.Reason),
			zap.Stringer("position", b.Position), zap.Duration("lag", b.Lag), zap.String("error", b.Error))
	}
	if next.PrimaryIndex < 0 && old.PrimaryIndex >= 0 {
		c.log.Error("there is no primary")
	}
}
