package cluster

import (
	"slices"
	"time"

	"go.uber.org/zap"
)

// picture is what is believed about the whole cluster. It is guarded by the mutex of its Cluster.
type picture struct {
	nodes       []observation
	generations []uint64
	primary     int // -1: none
	claims      int // nodes that say that they are the primary; more than one is trouble
	systemID    uint64
	lastPrimary Position
	primarySeen time.Time
	history     history
}

func newPicture(n int) *picture {
	return &picture{nodes: make([]observation, n), generations: make([]uint64, n), primary: -1}
}

// put takes in what a check found.
func (p *picture) put(i int, o observation, log *zap.Logger) {
	old := p.nodes[i]
	if o.up && (o.role != old.role || o.systemID != old.systemID || o.started != old.started ||
		o.position.Timeline != old.position.Timeline) {
		p.generations[i]++
	}
	p.nodes[i] = o
	before := p.primary
	p.electPrimary(log)
	p.remember()
	for j := range p.nodes {
		if j == i || p.primary != before {
			p.measureLag(j)
		}
	}
}

// electPrimary takes the primary with the latest timeline: a promotion starts a new one, so the other is left over. With
// equal timelines the one known before stays.
func (p *picture) electPrimary(log *zap.Logger) {
	p.adoptSystem()
	best, count := -1, 0
	for i := range p.nodes {
		if !p.isPrimary(i) {
			continue
		}
		count++
		if !p.mayLead(i) {
			continue
		}
		if best < 0 || p.nodes[i].position.Timeline > p.nodes[best].position.Timeline ||
			(i == p.primary && p.nodes[i].position.Timeline == p.nodes[best].position.Timeline) {
			best = i
		}
	}
	if count > 1 && count != p.claims {
		log.Error("more than one node says that it is the primary", zap.Int("nodes", count))
	}
	if count > 0 && best < 0 && p.primary >= 0 {
		log.Error("the only primary is on a timeline that a promotion has left")
	}
	p.primary, p.claims = best, count
}

func (p *picture) isPrimary(i int) bool {
	o := &p.nodes[i]
	return o.up && o.role == RolePrimary && o.systemID == p.systemID
}

// mayLead is false for a primary on a timeline that a promotion has left: what comes back when a failed primary is started
// again. It lacks what was committed since, so it does not lead even if it is alone.
func (p *picture) mayLead(i int) bool { return p.nodes[i].position.Timeline >= p.lastPrimary.Timeline }

// adoptSystem fixes which database system this is: that of the first primary seen. Later it changes only when no node, not
// even one that is down now, was last seen with it: a foreign server must not take the place of a primary that is being
// restarted.
func (p *picture) adoptSystem() {
	led := !p.lastPrimary.IsZero()
	if led && slices.ContainsFunc(p.nodes, func(o observation) bool { return o.systemID == p.systemID }) {
		return
	}
	candidate, primary := uint64(0), false
	for i := range p.nodes {
		o := &p.nodes[i]
		if o.up && (candidate == 0 || (o.role == RolePrimary && !primary)) {
			candidate, primary = o.systemID, o.role == RolePrimary
		}
	}
	if candidate != 0 && candidate != p.systemID {
		p.systemID, p.lastPrimary, p.history = candidate, Position{}, history{}
	}
}

// remember keeps what the primary of now said.
func (p *picture) remember() {
	if p.primary < 0 {
		return
	}
	o := &p.nodes[p.primary]
	p.saw(o.position)
	p.primarySeen = o.at
	p.history.add(Position{o.position.Timeline, o.flushed}, o.at)
}

// saw notes a position of the primary; answers may come in another order than they were asked.
func (p *picture) saw(at Position) {
	if p.lastPrimary.before(at) || at.Timeline != p.lastPrimary.Timeline {
		p.lastPrimary = at
	}
}

// measureLag is done when the replica was checked, against what the primary was known to have flushed by then.
func (p *picture) measureLag(i int) {
	o := &p.nodes[i]
	if !o.up || o.role != RoleReplica {
		return
	}
	now := o.at
	if p.primary < 0 {
		now = p.primarySeen
	}
	o.lag, o.lagKnown = p.history.lag(o.position.LSN, now, o.replayAge)
}

// snapshot draws the picture for everybody.
func (p *picture) snapshot(addrs []string, maxLag time.Duration) *Snapshot {
	s := &Snapshot{Nodes: make([]NodeView, len(addrs)), PrimaryIndex: p.primary, LastPrimary: p.lastPrimary, SystemID: p.systemID}
	for i, addr := range addrs {
		o := &p.nodes[i]
		v := NodeView{
			Addr: addr, Role: o.role, Up: o.up, Streaming: o.streaming, Position: o.position, Lag: o.lag,
			SystemID: o.systemID, Generation: p.generations[i], CheckedAt: o.at,
		}
		v.Reason = p.reason(i, maxLag)
		v.Usable = v.Reason == Used
		if o.err != nil {
			v.Error = o.err.Error()
		}
		s.Nodes[i] = v
	}
	return s
}

// reason says why a node is not to be used.
func (p *picture) reason(i int, maxLag time.Duration) NodeReason {
	o := &p.nodes[i]
	switch {
	case o.at.IsZero():
		return NeverChecked
	case !o.up:
		return Down
	case o.systemID != p.systemID:
		return OtherSystem
	case i == p.primary:
		return Used
	case o.role == RolePrimary && o.position.Timeline >= p.lastPrimary.Timeline:
		return SecondPrimary
	case p.lastPrimary.Timeline != 0 && o.position.Timeline != p.lastPrimary.Timeline:
		return OtherTimeline
	case !o.lagKnown:
		return LagUnknown
	case o.lag > maxLag:
		return Lagging
	}
	return Used
}
