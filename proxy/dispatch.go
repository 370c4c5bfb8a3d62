package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// errRetry ends an attempt that may be made again on another node: nothing of it reached the client.
var errRetry = errors.New("retry elsewhere")

// maxAttempts bounds how often one request is tried.
const maxAttempts = 3

// retryState says whether the request may be run again, and whether the answer at hand is being thrown away for that.
type retryState struct {
	allowed    bool
	discarding bool
	code       string
	attempts   int
	begin      bool // only as long as a BEGIN that was put off is not answered
}

// mayRetry reports whether an error with this SQLSTATE (empty for a lost connection) is a reason to run the request on
// another node: it only reads, and the client has seen nothing of the answer.
func (s *Session) mayRetry(code string) bool {
	if !s.retry.allowed || s.wrote || s.retry.attempts >= maxAttempts || s.retry.begin && !s.awaitsBegin() {
		return false
	}
	switch code {
	case "", "57P01", "57P02", "57P03", "08006":
		return true
	case "25006", "40001", "40P01", "55000", "0A000":
		// A replica refuses: read-only, conflict with recovery, not possible during recovery.
		return s.target == router.Replica
	}
	return false
}

// dispatch decides about a request of a session that holds no server connection, and carries it out.
func (s *Session) dispatch(ctx context.Context) error {
	in := s.routerInput()
	dec := s.p.router.Route(in)
	if dec.Target == router.Replica && !in.NoPrimary && s.req.boundary() == 'H' {
		dec.Target = router.Primary // what follows before the Sync, which nobody knows yet, goes to the same server
	}
	s.decided = dec
	s.last.begin(dec)
	done, err := s.fromCache(ctx, dec)
	if done || err != nil {
		return err
	}
	return s.attempts(ctx, dec)
}

func (s *Session) routerInput() router.Input {
	in := router.Input{
		Facts: s.req.facts, Names: s.req.names, Override: s.override(), ReadOnly: s.readOnly(),
		Database: s.database, User: s.user, Role: s.derived.role, Application: s.derived.application,
		Serializable: s.derived.serializable, PreparesOnly: s.req.preparesOnly(), TooLarge: !s.req.complete,
	}
	nodes := s.p.cluster.Snapshot()
	in.Replicas, in.NoPrimary = nodes.UsableReplicas() > 0, nodes.PrimaryIndex < 0
	return in
}

// attempts runs the request, and again elsewhere where that is possible and allowed.
func (s *Session) attempts(ctx context.Context, dec router.Decision) error {
	s.renamed = s.renamed[:0]
	again := dec.Read || s.onlyBegins()
	if s.begun.active {
		again = s.repeatableInside()
	}
	s.retry = retryState{allowed: again && s.req.complete && s.req.boundary() != 'H', begin: s.begun.active}
	for {
		s.retry.attempts++
		s.retry.discarding, s.retry.code = false, ""
		if err := s.acquire(ctx, dec); err != nil {
			return err
		}
		err := s.send(ctx)
		if err == nil && !s.retry.discarding {
			return s.finish(ctx)
		}
		if err != nil && !errors.Is(err, errRetry) {
			return err
		}
		dec = s.again(dec, err == nil)
	}
}

// onlyBegins reports whether the request does nothing but begin a transaction: where the connection is lost, so is that
// transaction, and it may begin elsewhere.
func (s *Session) onlyBegins() bool {
	for _, f := range s.req.facts {
		if st := f.Single(); st == nil || st.Kind != parser.Begin {
			return false
		}
	}
	return len(s.req.facts) > 0
}

// again gives up the node that failed and says where the next attempt goes.
func (s *Session) again(dec router.Decision, keep bool) router.Decision {
	s.p.metrics.retried(s.retry.code)
	s.last.retried(s.retry.code)
	s.cout, s.pend = s.cout[:0], nil
	s.stopRecording() // it may hold a part of the answer that is given up
	node := s.conn.Key().Node
	if !keep {
		s.p.cluster.Suspect(node)
	}
	if s.retry.code == "25006" {
		s.refusedByReplica()
	}
	s.undoAll()
	slot := s.slot
	s.slot = nil // the statement keeps its place
	s.release(keep && s.led.idle())
	s.slot = slot
	if s.target == router.Replica {
		dec.Target = router.Primary
	}
	return dec
}

// refusedByReplica remembers that these statements are not for replicas, whatever they look like.
func (s *Session) refusedByReplica() {
	for _, f := range s.req.facts {
		s.p.router.Refused(f.Fingerprint)
	}
}

// held carries out a request on the connection that the session holds: in a transaction, pinned, or before a Sync.
func (s *Session) held(ctx context.Context) error {
	if leaves, err := s.leavesReplica(ctx); leaves || err != nil {
		if err == nil && s.begun.active {
			return s.inDeferred(ctx)
		} else if err == nil {
			return s.dispatch(ctx)
		}
		return err
	}
	s.retry = retryState{}
	if s.led.idle() {
		s.want = s.settings
	}
	s.last.held(s)
	if err := s.send(ctx); err != nil {
		return err
	}
	return s.finish(ctx)
}

// acquire leases a connection to a node that may answer the request. A node that turns out to be unreachable is checked,
// and until it is known what took its place it is tried again, for as long as a primary would be waited for.
func (s *Session) acquire(ctx context.Context, dec router.Decision) error {
	ctx = s.waitable(ctx)
	defer s.waited()
	if err := s.enterClass(ctx, dec); err != nil {
		return err
	}
	s.want = s.wanted(dec)
	deadline := time.Now().Add(time.Duration(s.p.primaryWait.Load()))
	for {
		err := s.acquireOnce(ctx, dec)
		if err == nil {
			return nil
		}
		if !unreachable(err) || time.Now().After(deadline) || !waitFor(ctx, nodesPause) {
			return s.waitFailed(ctx, err)
		}
	}
}

func (s *Session) acquireOnce(ctx context.Context, dec router.Decision) error {
	at, err := s.leaseFrom(ctx, dec)
	if err == nil || at != router.Replica || dec.Target != router.Replica {
		return err
	}
	// The replica is gone, full or restarted: the primary answers, if there is one.
	dec.Target = router.Primary
	s.last.retried("")
	if _, again := s.leaseFrom(ctx, dec); !errors.Is(again, errNoPrimary) {
		return again
	}
	return err
}

// leaseFrom makes one attempt and says where.
func (s *Session) leaseFrom(ctx context.Context, dec router.Decision) (router.Target, error) {
	began := time.Now()
	node, target, err := s.place(ctx, dec)
	if err != nil {
		return target, err
	}
	pool := s.p.pools.Pool(backend.Key{Node: node, Database: s.database, User: s.user})
	c, err := s.lends(ctx, pool, target)
	if err == nil && s.source != nil && !s.source.Valid() {
		// It may be behind its known position again.
		s.p.pools.Release(c, false)
		err = errRestarted
	}
	if err != nil {
		s.dropSource()
		if unreachable(err) {
			s.p.cluster.Suspect(node)
		}
		return target, err
	}
	s.last.leased(target, node, time.Since(began))
	s.lease(c, target)
	return target, nil
}

var errRestarted = errors.New("the replica was restarted")

// unreachable reports whether a connection failed in a way that passes, or that a check of the node will explain.
func unreachable(err error) bool {
	var (
		server  *backend.ServerError
		network *net.OpError
	)
	switch {
	case errors.Is(err, backend.ErrTimeout):
		return false // that was the wait
	case errors.As(err, &server):
		return server.Code == codeCannotConnect // it starts or stops
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, errRestarted)
}

// nodesPause is how long to wait before the nodes are looked at again.
const nodesPause = 20 * time.Millisecond

// waitFor is false when ctx ended.
func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Session) dropSource() {
	if s.source != nil {
		s.source.Done()
		s.source = nil
	}
}

// waitFailed tells a cancel by the client from other ends of a wait.
func (s *Session) waitFailed(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errCanceled) {
		return &failure{code: codeQueryCanceled, message: "canceling statement due to user request"}
	}
	return asFailure(err)
}

// place finds the node: a replica at or past the required position, or the primary.
func (s *Session) place(ctx context.Context, dec router.Decision) (node string, target router.Target, err error) {
	if dec.Target == router.Replica {
		src, reason := s.p.cluster.Source(ctx, s.requirement(dec))
		s.last.source(reason)
		s.p.metrics.source(reason)
		if src != nil {
			s.source = src
			return src.Addr, router.Replica, nil
		}
	}
	node, err = s.p.primary(ctx, dec.Read)
	if err == nil {
		return node, router.Primary, nil
	}
	if dec.Read {
		// Reads survive without a primary, at whatever position the replicas are. It may have gone while one was waited for.
		if src, reason := s.p.cluster.Source(ctx, s.requirement(dec)); src != nil {
			s.last.source(reason)
			s.source = src
			return src.Addr, router.Replica, nil
		}
	}
	return "", router.Primary, err
}

// sessionPosition is what a session has seen of the log: what `consistency: session` requires of the next source.
type sessionPosition struct {
	at      cluster.Position
	touched bool // it used the primary since
	replica cluster.Seen
}

// note takes down what a request may have seen.
func (p *sessionPosition) note(src *cluster.Source) {
	if src == nil {
		p.touched = true
		return
	}
	*p = sessionPosition{at: src.Required, replica: src.Seen()}
}

// requirement is the position that the request requires of a replica.
func (s *Session) requirement(dec router.Decision) cluster.Requirement {
	c := cluster.Consistency(dec.Consistency)
	if c == cluster.Session && s.rec != nil {
		c = cluster.Global // the result is kept for other sessions, which may have seen more than this one
	}
	return cluster.Requirement{
		Consistency: c, Session: s.seen.at, Touched: s.seen.touched, Seen: s.seen.replica,
	}
}

// finish settles what the request left behind and returns the connection if nothing holds it.
func (s *Session) finish(ctx context.Context) error {
	if !s.led.empty() || s.led.copyIn {
		s.waitFor(stateClient)
		return nil // more of the same request is to come
	}
	s.setBusy(false)
	s.seen.note(s.source)
	if s.target == router.Primary && !s.decided.Read {
		s.wroteOn = s.conn
	}
	s.measure()
	if s.led.status != 'I' || s.led.unsynced || s.led.skipping {
		return nil
	}
	s.leaveClass() // now: a pinned session keeps its connection
	if s.effects != 0 {
		if err := s.settle(ctx); err != nil {
			return final(err)
		}
	}
	if s.pins.has(pinStatement) && !s.names.large() {
		s.unpin(1 << pinStatement)
	}
	s.pathUnsure = false
	s.pinTimeout()
	s.linger()
	if s.pins == 0 {
		s.release(true)
	}
	return nil
}

// final makes a failure the end of the session: the client has its answer, and what its statements left behind is not known.
func final(err error) error {
	var f *failure
	if errors.As(err, &f) {
		last := *f
		last.final = true
		return &last
	}
	return err
}

func (s *Session) setBusy(busy bool) {
	s.mu.Lock()
	s.mu.busy, s.mu.status = busy, s.led.status
	if busy {
		s.mu.state = stateServer
	} else {
		s.mu.state = stateClient
	}
	s.mu.since = s.p.ticks.Load()
	s.mu.Unlock()
}

// waitable returns a context that a cancel request ends while the session waits for a place, a position or a connection;
// call waited when the wait is over. The context serves one wait after the other until one was cancelled.
func (s *Session) waitable(ctx context.Context) context.Context {
	if s.waits == nil || s.waits.Err() != nil {
		s.waits, s.endWaits = context.WithCancelCause(ctx)
	}
	s.mu.Lock()
	s.mu.waiting = s.endWaits
	s.mu.Unlock()
	return s.waits
}

func (s *Session) waited() {
	s.mu.Lock()
	s.mu.waiting = nil
	s.mu.Unlock()
}
