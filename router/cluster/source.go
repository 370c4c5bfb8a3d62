package cluster

import (
	"context"
	"sync/atomic"
	"time"
)

// Consistency is what a read requires of a source's position.
type Consistency uint8

// The levels of DESIGN.md section 4, in the order of router.Consistency.
const (
	Global Consistency = iota
	Session
	Eventual
)

// Reason says how the choice of a source ended. It is a metric label as well.
type Reason uint8

// The reasons. The first two come with a source, the others leave the read to the primary.
const (
	Found           Reason = iota // a replica at or past the required position
	NoPrimary                     // there is no primary to compare with: the best replica there is
	NoReplica                     // none is usable
	ReplicaBehind                 // none got there in time
	PositionUnknown               // the primary did not say where it is
	Cancelled                     // the caller's context ended
)

var reasonNames = [...]string{"replica", "no_primary", "no_replica", "replica_behind", "position_unknown", "cancelled"}

func (r Reason) String() string { return reasonNames[r] }

// Requirement is what a read needs.
type Requirement struct {
	Consistency Consistency
	Session     Position      // for Session: what the session is known to have seen; zero if nothing
	Touched     bool          // for Session: it has used the primary since it learnt Session, so the primary is asked
	Seen        Seen          // for Session: the replica that it read from last
	MaxLag      time.Duration // 0: as configured; a smaller one is stricter, a larger one has no effect
	Wait        time.Duration // 0: replica_wait as configured; negative: not at all
	Avoid       string        // the address of a node that just refused this read
}

// Seen is a replica that a session has read from. What it saw there may be later than the position at which the replica
// was chosen, so the session stays with this replica or moves on to one that has all that the primary has.
type Seen struct {
	Addr       string
	Generation uint64
}

// Seen is what a session under Session consistency keeps of its last read, beside Required as the new Session position.
func (s *Source) Seen() Seen { return Seen{s.Addr, s.Generation} }

// Source is a replica chosen for one read. Done must be called once when the read is over.
type Source struct {
	Addr       string
	Generation uint64   // of the node: connections of another generation must not be used
	Position   Position // what the replica had surely replayed before the read began
	Required   Position
	Waited     time.Duration
	link       *link
	node       *node
	done       atomic.Bool
}

// Done gives the load slot back. Later calls do nothing.
func (s *Source) Done() {
	if s != nil && s.node != nil && !s.done.Swap(true) {
		s.node.active.Add(-1)
	}
}

// Valid reports whether the server has run without a restart since the source was chosen. Ask it between getting a
// connection to the node and sending the read: a server that was restarted may be behind the known position again.
func (s *Source) Valid() bool {
	k := s.node.known.Load()
	return k != nil && k.link == s.link && s.link.alive()
}

// Source chooses a replica that may answer a read, waiting briefly for one to get there. The source is nil for reasons
// that leave the read to the primary.
//
// Without a primary nobody can say what the last commit was. Reads go on: to a replica at or past the last position of the
// primary that was seen, else to the one that has most.
func (c *Cluster) Source(ctx context.Context, req Requirement) (*Source, Reason) {
	start := time.Now()
	src, reason := c.choose(ctx, req, start)
	if src != nil {
		src.Waited = time.Since(start)
		c.deps.Metrics.waited.Observe(src.Waited.Seconds())
	}
	c.deps.Metrics.sources.WithLabelValues(reason.String()).Inc()
	return src, reason
}
