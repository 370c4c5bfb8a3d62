package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// askPause keeps a waiting read from asking a replica faster than it can get anywhere.
const askPause = 500 * time.Microsecond

func (c *Cluster) choose(ctx context.Context, req Requirement, start time.Time) (*Source, Reason) {
	if len(c.candidates(&req)) == 0 {
		return nil, NoReplica
	}
	if req.Consistency == Session && req.Seen.Addr != "" && !req.Touched {
		if src := c.stay(&req); src != nil {
			return src, Found
		}
		req.Touched = true // what it saw there is not known; the primary has it
	}
	required, found, ok := c.required(ctx, &req)
	if !ok {
		return nil, found
	}
	wait := time.Duration(c.wait.Load())
	if req.Wait != 0 {
		wait = max(0, req.Wait)
	}
	deadline := start.Add(wait)
	for pause := time.Duration(0); ; pause = askPause {
		progress := c.progress.next()
		candidates := c.candidates(&req)
		if src := pick(candidates, required); src != nil {
			return src, found
		}
		left := time.Until(deadline)
		switch {
		case len(candidates) == 0:
			return nil, NoReplica
		case found == NoPrimary:
			return c.furthest(candidates, required)
		case left <= 0:
			return nil, ReplicaBehind
		}
		if pause > 0 {
			c.askFlush(required)
		}
		if !c.askAll(ctx, candidates, progress, pause, left) {
			return nil, Cancelled
		}
	}
}

// stay returns the replica that the session read from last, if it runs since then and has what the session requires.
func (c *Cluster) stay(req *Requirement) *Source {
	for _, x := range c.candidates(req) {
		if x.view.Addr == req.Seen.Addr && x.view.Generation == req.Seen.Generation {
			return pick([]candidate{x}, req.Session)
		}
	}
	return nil
}

// required is the position that a source must cover. found is the reason of a success; ok is false, and found the reason,
// if the primary did not answer.
func (c *Cluster) required(ctx context.Context, req *Requirement) (at Position, found Reason, ok bool) {
	primary, hasPrimary := c.Snapshot().Primary()
	switch req.Consistency {
	case Eventual:
		return Position{}, Found, true
	case Session:
		// A position of another timeline does not compare: whatever survived of it, the primary of now has.
		if !req.Touched && (req.Session.IsZero() || hasPrimary && req.Session.Timeline == primary.Position.Timeline) {
			return req.Session, Found, true
		}
	case Global:
	}
	if hasPrimary {
		p, err := c.PrimaryPosition(ctx)
		if err == nil {
			return p, Found, true
		}
		if ctx.Err() != nil {
			return Position{}, Cancelled, false
		}
		if _, still := c.Snapshot().Primary(); still {
			return Position{}, PositionUnknown, false
		}
	}
	if req.Consistency == Session {
		return req.Session, NoPrimary, true
	}
	return c.lastPrimary(), NoPrimary, true
}

// PrimaryPosition asks where the primary's log ends; the question is sent after the call. Callers share questions.
func (c *Cluster) PrimaryPosition(ctx context.Context) (Position, error) {
	s := c.Snapshot()
	if s.PrimaryIndex < 0 {
		return Position{}, fmt.Errorf("asking the primary's position: %w", errDown)
	}
	return c.nodes[s.PrimaryIndex].position(ctx)
}

func (n *node) position(ctx context.Context) (Position, error) {
	r := n.rounds.join()
	select {
	case <-r.done:
		return r.position, r.err
	case <-ctx.Done():
		return Position{}, context.Cause(ctx)
	}
}

// candidate is a usable replica with its view.
type candidate struct {
	node *node
	view *NodeView
}

func (c *Cluster) candidates(req *Requirement) []candidate {
	s := c.Snapshot()
	var out []candidate
	for i := range s.Nodes {
		v := &s.Nodes[i]
		if v.Usable && v.Role == RoleReplica && v.Addr != req.Avoid && (req.MaxLag == 0 || v.Lag <= req.MaxLag) {
			out = append(out, candidate{c.nodes[i], v})
		}
	}
	return out
}

// pick takes the least busy of those that have surely reached what is required; equals by lot.
func pick(candidates []candidate, required Position) *Source {
	var best candidate
	var have *knowledge
	var least int64
	ties := 0
	for _, x := range candidates {
		k, ok := x.node.reached(required)
		if !ok {
			continue
		}
		switch load := x.node.active.Load(); {
		case have == nil, load < least:
			best, have, least, ties = x, k, load, 1
		case load == least:
			if ties++; rand.IntN(ties) == 0 {
				best, have = x, k
			}
		}
	}
	if have == nil {
		return nil
	}
	best.node.active.Add(1)
	return &Source{
		Addr: best.view.Addr, Generation: best.view.Generation,
		Position: have.position, Required: required, link: have.link, node: best.node,
	}
}

// furthest is the way without a primary: the replica that has most.
func (c *Cluster) furthest(candidates []candidate, required Position) (*Source, Reason) {
	best := -1
	for i, x := range candidates {
		if _, ok := x.node.reached(Position{}); !ok {
			continue
		}
		if best < 0 || candidates[best].view.Position.before(x.view.Position) {
			best = i
		}
	}
	if best < 0 {
		return nil, NoReplica
	}
	src := pick(candidates[best:best+1], Position{})
	if src == nil {
		return nil, NoReplica
	}
	src.Required = required
	return src, NoPrimary
}

// askFlush: a replica cannot get to what the primary has not flushed.
func (c *Cluster) askFlush(required Position) {
	s := c.Snapshot()
	if s.PrimaryIndex < 0 || s.Nodes[s.PrimaryIndex].Position.Timeline != required.Timeline {
		return
	}
	n := c.nodes[s.PrimaryIndex]
	n.unflushed.Store(uint64(required.LSN))
	signal(n.flush)
}

// askAll pauses, asks all candidates where they are, and waits for the first news or until no time is left. False if the
// caller's context ended.
func (c *Cluster) askAll(ctx context.Context, candidates []candidate, news <-chan struct{}, pause, left time.Duration) bool {
	timer := time.NewTimer(min(pause, left))
	defer timer.Stop()
	if pause > 0 {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	for _, x := range candidates {
		x.node.rounds.join()
	}
	timer.Reset(max(0, left-pause))
	select {
	case <-news:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}
