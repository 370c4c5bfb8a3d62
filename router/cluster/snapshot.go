package cluster

import "time"

// Role is what a node says that it is.
type Role uint8

// The roles. A node that never answered has none.
const (
	RoleUnknown Role = iota
	RolePrimary
	RoleReplica
)

var roleNames = [...]string{"unknown", "primary", "replica"}

func (r Role) String() string { return roleNames[r] }

// NodeReason says why a node is not used.
type NodeReason uint8

// The reasons. Used is the reason of a node that is.
const (
	Used NodeReason = iota
	NeverChecked
	Down
	OtherSystem
	SecondPrimary
	OtherTimeline
	LagUnknown
	Lagging
)

var nodeReasonNames = [...]string{"", "never_checked", "down", "other_system", "second_primary", "other_timeline", "lag_unknown", "lagging"}

func (r NodeReason) String() string { return nodeReasonNames[r] }

// NodeView is one node as last seen.
type NodeView struct {
	Addr       string
	Role       Role
	Up         bool
	Usable     bool // the primary, or a replica that may answer reads
	Streaming  bool // a replica that receives from its upstream
	Position   Position
	Lag        time.Duration // of a replica, behind the primary
	Reason     NodeReason    // why it is not usable
	Error      string        // of the last check that did not succeed; safe to show to operators
	SystemID   uint64
	Generation uint64 // changes with role, timeline, system and postmaster: connections of an older one are not to be used
	CheckedAt  time.Time
}

// Snapshot is all nodes at one moment, in the order of the configuration. It never changes.
type Snapshot struct {
	Nodes        []NodeView
	PrimaryIndex int      // -1: there is none
	LastPrimary  Position // the furthest position of a primary that was seen, also while there is none
	SystemID     uint64   // of the cluster; 0 until known
}

// Primary returns the primary if there is one.
func (s *Snapshot) Primary() (NodeView, bool) {
	if s.PrimaryIndex < 0 {
		return NodeView{}, false
	}
	return s.Nodes[s.PrimaryIndex], true
}

// UsableReplicas counts the replicas that may answer reads.
func (s *Snapshot) UsableReplicas() int {
	n := 0
	for i := range s.Nodes {
		if s.Nodes[i].Usable && s.Nodes[i].Role == RoleReplica {
			n++
		}
	}
	return n
}

// Node returns the view of an address.
func (s *Snapshot) Node(addr string) (NodeView, bool) {
	for i := range s.Nodes {
		if s.Nodes[i].Addr == addr {
			return s.Nodes[i], true
		}
	}
	return NodeView{}, false
}

// sameFor reports whether the difference between two snapshots is none that anybody must react to: positions and lag move
// all the time.
func (s *Snapshot) sameFor(o *Snapshot) bool {
	if o == nil || s.PrimaryIndex != o.PrimaryIndex || s.SystemID != o.SystemID {
		return false
	}
	for i := range s.Nodes {
		a, b := &s.Nodes[i], &o.Nodes[i]
		if a.Role != b.Role || a.Usable != b.Usable || a.Up != b.Up || a.Reason != b.Reason || a.Generation != b.Generation {
			return false
		}
	}
	return true
}
