// Package cachepolicy decides whether a result may be cached, under which key and for how long, and which cached results
// a write makes void. It does no I/O; cachepolicy/store keeps the results.
package cachepolicy

import (
	"time"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// Policy is safe for concurrent use and never changes.
type Policy struct{ cfg Config }

// New returns a policy.
func New(cfg Config) *Policy { return &Policy{cfg: cfg} }

// Judge says whether the result of one request may come from the cache and be kept. It knows nothing of transactions:
// the caller asks only where the session holds no state that a result may depend on (no open transaction that wrote).
func (p *Policy) Judge(in Input) Verdict {
	reason := p.reason(&in)
	if reason != Cacheable {
		return Verdict{Reason: reason}
	}
	return Verdict{
		Mode:   Use,
		Reason: Cacheable,
		Key:    keyOf(&in),
		Tables: tablesOf(in.Database, in.Names.Reads),
		TTL:    p.ttl(&in),
	}
}

// reason asks the cheap questions first, and those first whose answer helps an operator most.
func (p *Policy) reason(in *Input) Reason {
	switch {
	case in.Off:
		return Off
	case !in.Policy.Cache && !in.On:
		return ClassOff
	}
	s, r := statementOf(in.Facts)
	if r != Cacheable {
		return r
	}
	switch {
	case in.Names == nil:
		return CatalogUnknown
	case in.Names.Unknown != "":
		return NameUnknown
	}
	if r = functionsReason(s, in.Names); r != Cacheable {
		return r
	}
	if r = relationsReason(in.Names); r != Cacheable {
		return r
	}
	if r = p.timeReason(s, in); r != Cacheable {
		return r
	}
	return parametersReason(in.Params)
}

func parametersReason(params []byte) Reason {
	found, ok := timeInParameters(params)
	switch {
	case !ok:
		return MalformedBind
	case found:
		return TimeInParameter
	}
	return Cacheable
}

// statementOf returns the statement of a text that is by its form alone nothing but a read.
func statementOf(f *parser.Facts) (*parser.Statement, Reason) {
	if f == nil || f.Opaque() {
		return nil, Opaque
	}
	s := f.Single()
	switch {
	case s == nil:
		return nil, NotSingle
	case s.Kind == parser.Opaque:
		return nil, Opaque
	case s.Kind != parser.Select:
		return nil, NotSelect
	case s.Into || s.Temp || len(s.Writes) > 0:
		return nil, Writes
	case s.Locking:
		return nil, Locking
	}
	return s, Cacheable
}

func relationsReason(n *catalog.Resolution) Reason {
	switch {
	case len(n.Writes) > 0 || n.WritesUnknown != "":
		return Writes
	case n.Temporary:
		return TemporaryTable
	case n.Unlogged:
		return UnloggedTable
	case n.Foreign:
		return ForeignTable
	case n.System:
		return SystemCatalog
	case n.RowSecurity:
		return RowSecurity
	case len(n.Reads) == 0:
		return NoTable
	}
	return Cacheable
}

// timeUse is the parser's word on the text and the catalog's on the views that the text reads.
func timeUse(s *parser.Statement, n *catalog.Resolution) parser.TimeUse { return max(s.Time, n.Time) }

func (p *Policy) timeReason(s *parser.Statement, in *Input) Reason {
	switch timeUse(s, in.Names) {
	case parser.TimeUnused:
		return Cacheable
	case parser.TimeInCondition:
		if p.timeTTL(in) <= 0 {
			return TimeInCondition
		}
		return Cacheable
	case parser.TimeInOutput:
	}
	if s.Time != parser.TimeInOutput {
		return TimeInView
	}
	return TimeInOutput
}

func (p *Policy) timeTTL(in *Input) time.Duration {
	if in.Policy.TimeTTL != 0 {
		return in.Policy.TimeTTL
	}
	return p.cfg.TimeTTL
}

func (p *Policy) ttl(in *Input) time.Duration {
	ttl := in.Policy.TTL
	if ttl <= 0 {
		ttl = p.cfg.DefaultTTL
	}
	if timeUse(in.Facts.Single(), in.Names) == parser.TimeUnused {
		return ttl
	}
	return min(ttl, p.timeTTL(in))
}

func tablesOf(database string, rels []catalog.RelID) []Table {
	tables := make([]Table, len(rels))
	for i, rel := range rels {
		tables[i] = Table{Database: database, Rel: rel}
	}
	return tables
}
