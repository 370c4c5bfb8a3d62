package router

import "github.com/aioproxy/aioproxy/parser"

// Route decides where a request runs. It allocates nothing.
func (r *Router) Route(in Input) Decision {
	p := r.plan.Load()
	found := p.examineAll(&in)
	if found.read && r.anyRefused(in.Facts) {
		found = not(found.class, ReplicaRefused)
	}
	learnt := found.read && found.class == OLTP && r.learntSlow(&in)
	if learnt {
		found.class = OLAP
	}
	hints := hintsOf(in.Facts)
	rules := p.rulingFor(&in, found.class)
	found.class = p.reclassify(found.class, rules, hints)

	d := Decision{Class: found.class, Read: found.read && !in.InTransaction, Rule: -1, Policy: p.apply(rules, found.class)}
	d.Consistency = p.consistencyOf(&in, rules, hints)
	if found.reason == ServerFunction || found.reason == SystemRelation {
		d.Policy.Settings = nil // the statement may look at settings: it sees the client's
	}
	p.aim(&d, &in, found, rules, hints)
	if d.Reason == ByClass && learnt {
		d.Reason = ByExperience
	}
	if d.Rule < 0 && rules.class >= 0 {
		d.Rule = rules.class
	}
	return d
}

// examineAll judges the texts of a request together: it is a read if all its statements are. The first statement that is
// not decides why; the first class that is not oltp is the class of a request that reads.
func (p *plan) examineAll(in *Input) finding {
	out := finding{class: Session, reason: Nothing}
	for i, f := range in.Facts {
		if f.Opaque() {
			return not(OLTP, Opaque)
		}
		for j := range f.Statements {
			one := p.examine(&f.Statements[j], in.Names[i])
			switch {
			case one.reason == Nothing:
			case !one.read:
				return one
			case !out.read || out.class == OLTP:
				out = one
			}
		}
	}
	return out
}

func (r *Router) learntSlow(in *Input) bool {
	if len(in.Facts) != 1 || in.Facts[0].Fingerprint == 0 {
		return false
	}
	x, ok := r.experience.get(in.Facts[0].Fingerprint)
	return ok && x.Slow
}

func (r *Router) anyRefused(facts []*parser.Facts) bool {
	for _, f := range facts {
		if r.refused.has(f.Fingerprint) {
			return true
		}
	}
	return false
}

// hintsOf returns the hints of the first text that has some.
func hintsOf(facts []*parser.Facts) *parser.Hints {
	for _, f := range facts {
		if f.Hints != nil {
			return f.Hints
		}
	}
	return nil
}

// reclassify lets a hint, then a rule, name another class. What is no work on data keeps its class, so that the settings of
// a class never surround a BEGIN or a CREATE INDEX.
func (p *plan) reclassify(class Class, u ruling, h *parser.Hints) Class {
	if class == DDL || class == Maintenance || class == Session {
		return class
	}
	if h != nil && h.Class != "" {
		if hinted, ok := ParseClass(h.Class); ok {
			return hinted
		}
	}
	if u.class >= 0 {
		return p.rules[u.class].class
	}
	return class
}

// consistencyOf: the statement's comment, then the session, then rules, then the configuration.
func (p *plan) consistencyOf(in *Input, u ruling, h *parser.Hints) Consistency {
	if h != nil && h.Consistency != "" {
		if c, ok := ParseConsistency(h.Consistency); ok {
			return c
		}
	}
	if c, ok := ParseConsistency(in.Override.Consistency); ok {
		return c
	}
	if u.consistency >= 0 {
		return p.rules[u.consistency].consistency
	}
	return p.consistency
}

// aim sets target, reason and rule: doubt first, then wishes from the most specific to the most general.
func (p *plan) aim(d *Decision, in *Input, found finding, u ruling, h *parser.Hints) {
	readOnlyBegin := found.reason == TransactionControl && !found.read && beginsReadOnly(in)
	switch {
	case in.TooLarge:
		d.Reason, d.Read = TooLarge, false
		return
	case in.InTransaction:
		d.Reason = Held
		return
	case in.PreparesOnly:
		d.Reason, d.Read = found.reason, true
		if in.NoPrimary && in.Replicas {
			d.Target, d.Reason = Replica, NoPrimary
		}
		return
	case !found.read && !readOnlyBegin:
		d.Reason = found.reason
		if replicaMayTell(in, found.reason, h) {
			d.Target, d.Read = Replica, true
		}
		return
	case in.Serializable:
		d.Reason = SerializableSession
		return
	}
	d.Target, d.Reason = p.wish(d, in, u, h, readOnlyBegin)
	switch {
	case in.NoPrimary && in.Replicas && d.Target == Primary:
		d.Target, d.Reason = Replica, NoPrimary
	case d.Target == Replica && !in.Replicas:
		d.Target, d.Reason = Primary, NoReplica
	}
}

// replicaMayTell is for queries about the server itself or its catalogs. A replica can answer them, only differently: it
// does when the statement's own comment says so, and when there is nobody else to ask.
func replicaMayTell(in *Input, why Reason, h *parser.Hints) bool {
	if (why != ServerFunction && why != SystemRelation) || !in.Replicas || in.Serializable {
		return false
	}
	return in.NoPrimary || (h != nil && h.Route == targetNames[Replica])
}

func (p *plan) wish(d *Decision, in *Input, u ruling, h *parser.Hints, readOnlyBegin bool) (Target, Reason) {
	if h != nil {
		if t, ok := parseTarget(h.Route); ok {
			return t, ByHint
		}
	}
	if t, ok := parseTarget(in.Override.Route); ok {
		return t, BySession
	}
	if u.route >= 0 {
		d.Rule = u.route
		return p.rules[u.route].route, ByRule
	}
	if readOnlyBegin {
		return Replica, ReadOnlyTransaction
	}
	if h != nil && h.Class == classNames[d.Class] {
		return p.routes[d.Class], ByHint
	}
	if u.class >= 0 {
		d.Rule = u.class
		return p.routes[d.Class], ByRule
	}
	return p.routes[d.Class], ByClass
}

// beginsReadOnly reports whether the request is one BEGIN of a transaction that a replica can run: read only, written so or
// by default, and not serializable (a hot standby refuses that).
func beginsReadOnly(in *Input) bool {
	if len(in.Facts) != 1 {
		return false
	}
	s := in.Facts[0].Single()
	if s == nil || s.Kind != parser.Begin {
		return false
	}
	tx := parser.Transaction{}
	if s.Tx != nil {
		tx = *s.Tx
	}
	return (tx.ReadOnly || (in.ReadOnly && !tx.ReadWrite)) && !tx.Serializable
}
