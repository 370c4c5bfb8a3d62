package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

var (
	errRoleChanged = errors.New("the node has changed its role")
	errDown        = errors.New("the node is down")
	errStopped     = errors.New("the cluster is no longer watched")
)

// node is one server. Its goroutine (run) owns the connection of the link and last; everything else is for everybody.
type node struct {
	index   int
	addr    string
	cluster *Cluster
	rounds  *rounds
	suspect chan struct{} // check now; capacity 1
	flush   chan struct{} // unflushed is waited for; capacity 1
	// unflushed is the latest LSN that replicas lack and reads wait for.
	unflushed atomic.Uint64
	active    atomic.Int64 // reads running there
	known     atomic.Pointer[knowledge]
	last      observation
}

// knowledge is a position that was surely reached as long as the link lives.
type knowledge struct {
	position Position
	link     *link
}

func newNode(c *Cluster, index int, addr string) *node {
	return &node{index: index, addr: addr, cluster: c, rounds: newRounds(), suspect: make(chan struct{}, 1), flush: make(chan struct{}, 1)}
}

// run watches the node until ctx is over.
func (n *node) run(ctx context.Context) {
	var l *link
	defer func() {
		n.drop(ctx, l)
		n.rounds.stop()
	}()
	ticker := time.NewTicker(n.cluster.cfg.CheckInterval)
	defer ticker.Stop()
	l = n.check(ctx, nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l = n.check(ctx, l)
		case <-n.suspect:
			l = n.check(ctx, l)
		case <-n.flush:
			n.flushLog(ctx, l)
		case <-n.rounds.wake:
			l = n.answer(ctx, l)
		}
	}
}

// check looks at the node over l, and if that does not answer once over a new connection, because a restarted server is
// up again as soon as it accepts one. It returns the link to use from now on, nil if the node is down.
func (n *node) check(ctx context.Context, l *link) *link {
	if l != nil {
		if o, err := n.checkOver(ctx, l); err == nil {
			n.report(o, l)
			return l
		}
		n.drop(ctx, l)
	}
	l, err := n.connect(ctx)
	if err == nil {
		var o observation
		if o, err = n.checkOver(ctx, l); err == nil {
			n.report(o, l)
			return l
		}
		n.drop(ctx, l)
	}
	if ctx.Err() != nil {
		return nil // being stopped says nothing about the node
	}
	down := n.last
	down.at, down.up, down.err, down.streaming = time.Now(), false, err, false
	n.report(down, nil)
	return nil
}

func (n *node) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cluster.cfg.CheckTimeout)
	defer cancel()
	conn, err := n.cluster.deps.Connect(ctx, n.addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to a node: %w", err)
	}
	return newLink(conn), nil
}

func (n *node) checkOver(ctx context.Context, l *link) (observation, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cluster.cfg.CheckTimeout)
	defer cancel()
	o, err := check(ctx, l.conn)
	if err != nil {
		return o, err
	}
	// A running standby only moves to later timelines, whatever its control file still says.
	if o.role == RoleReplica && o.started == n.last.started && o.systemID == n.last.systemID {
		o.position.Timeline = max(o.position.Timeline, n.last.position.Timeline)
	}
	return o, nil
}

func (n *node) report(o observation, l *link) {
	n.last = o
	if l == nil {
		n.known.Store(nil)
	} else {
		n.known.Store(&knowledge{o.position, l})
	}
	n.cluster.observed(n.index, o)
}

func (n *node) drop(ctx context.Context, l *link) {
	n.known.Store(nil)
	if l != nil {
		l.close(ctx, n.cluster.cfg.CheckTimeout)
	}
}

// answer asks the question that callers wait for. If that does not work the node is checked before they are told, so that
// they find a picture that explains it.
func (n *node) answer(ctx context.Context, l *link) *link {
	r := n.rounds.take()
	if r == nil {
		return l
	}
	if l == nil {
		r.finish(Position{}, errDown)
		return nil
	}
	role := n.last.role
	p, err := n.question(ctx, l)
	n.cluster.deps.Metrics.questions.WithLabelValues(role.String()).Inc()
	if err == nil && p.Timeline == n.last.position.Timeline {
		n.known.Store(&knowledge{p, l})
		n.cluster.asked(role, p)
	} else {
		l = n.check(ctx, l)
	}
	n.cluster.deps.Metrics.answers.WithLabelValues(role.String()).Add(float64(r.callers))
	r.finish(p, err)
	n.cluster.progress.send()
	return l
}

// flushLog has the primary flush its log as far as reads wait for it. A failure means that they wait in vain, no more.
func (n *node) flushLog(ctx context.Context, l *link) {
	if l == nil || n.last.role != RolePrimary {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, n.cluster.cfg.CheckTimeout)
	defer cancel()
	if _, err := l.conn.Exec(ctx, flushSQL, LSN(n.unflushed.Load()).String()); err != nil {
		n.cluster.log.Debug("log not flushed", zap.String("node", n.addr), zap.Error(err))
	}
}

func (n *node) question(ctx context.Context, l *link) (Position, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cluster.cfg.CheckTimeout)
	defer cancel()
	return question(ctx, l.conn, &n.last)
}

// reached reports whether the node has surely replayed what is required: known, and not restarted since.
func (n *node) reached(required Position) (*knowledge, bool) {
	k := n.known.Load()
	if k == nil || !k.position.Covers(required) {
		return nil, false
	}
	if !k.link.alive() {
		signal(n.suspect)
		return nil, false
	}
	return k, true
}
