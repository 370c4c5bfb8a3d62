package router

import (
	"strings"

	"github.com/aioproxy/aioproxy/parser"
)

// ruling is what the rules say about one request: for each attribute the index of the first matching rule that has it,
// or -1.
type ruling struct {
	class, route, cache, ttl, timeTTL, consistency, timeout, settings int
}

var noRuling = ruling{-1, -1, -1, -1, -1, -1, -1, -1}

// rulingFor walks the rules once. class is the class before rules.
func (p *plan) rulingFor(in *Input, class Class) ruling {
	out := noRuling
	for i := range p.rules {
		r := &p.rules[i]
		if !r.matches(in, class) {
			continue
		}
		first(&out.class, i, r.Class != "")
		first(&out.route, i, r.Route != "")
		first(&out.cache, i, r.Cache != nil)
		first(&out.ttl, i, r.TTL != nil)
		first(&out.timeTTL, i, r.TimeTTL != nil)
		first(&out.consistency, i, r.Consistency != "")
		first(&out.timeout, i, r.QueryTimeout != nil)
		first(&out.settings, i, len(r.Settings) > 0)
	}
	return out
}

func first(slot *int, i int, has bool) {
	if has && *slot < 0 {
		*slot = i
	}
}

// apply lays the rules' attributes over the policy of the class.
func (p *plan) apply(u ruling, class Class) Policy {
	out := p.policies[class]
	if u.cache >= 0 {
		out.Cache = *p.rules[u.cache].Cache
	}
	if u.ttl >= 0 {
		out.TTL = *p.rules[u.ttl].TTL
	}
	if u.timeTTL >= 0 {
		out.TimeTTL = *p.rules[u.timeTTL].TimeTTL
	}
	if u.timeout >= 0 {
		out.QueryTimeout = *p.rules[u.timeout].QueryTimeout
	}
	if u.settings >= 0 {
		out.Settings = p.rules[u.settings].settingsByBase[class]
	}
	return out
}

func (r *rule) matches(in *Input, class Class) bool {
	m := &r.Match
	return (m.Class == "" || r.matchClass == class) &&
		like(m.Database, in.Database) &&
		(like(m.Role, in.User) || (in.Role != "" && like(m.Role, in.Role))) &&
		like(m.Application, in.Application) &&
		(m.Fingerprint == "" || r.matchesFingerprint(in.Facts)) &&
		(m.Table == "" || r.matchesTable(in.Facts))
}

// like reports whether text is the pattern, or begins with it if it ends in a star. An empty pattern is no condition.
func like(pattern, text string) bool {
	if prefix, star := strings.CutSuffix(pattern, "*"); star {
		return strings.HasPrefix(text, prefix)
	}
	return pattern == "" || pattern == text
}

func (r *rule) matchesFingerprint(facts []*parser.Facts) bool {
	for _, f := range facts {
		if f.Fingerprint == r.fingerprint && f.Fingerprint != 0 {
			return true
		}
	}
	return false
}

func (r *rule) matchesTable(facts []*parser.Facts) bool {
	for _, f := range facts {
		for i := range f.Statements {
			if r.matchesNames(f.Statements[i].Reads) || r.matchesNames(f.Statements[i].Writes) {
				return true
			}
		}
	}
	return false
}

// matchesNames compares names as written: a schema matters only where both sides have one.
func (r *rule) matchesNames(names []parser.Name) bool {
	for _, n := range names {
		if like(r.table, n.Name) && (r.schema == "" || n.Schema == "" || like(r.schema, n.Schema)) {
			return true
		}
	}
	return false
}
