package proxy

import (
	"context"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// unit is a request that is one statement, carried out once and to its end: what a cached result can answer.
type unit struct {
	facts             *parser.Facts
	text              []byte
	types             []byte
	params, formats   []byte // formats as on the wire, with their count
	simple            bool
	describeStatement bool
}

// unit recognises a Query, or [Parse] [Describe statement] Bind [Describe portal] Execute Sync over the unnamed portal.
func (s *Session) unit() (u unit, ok bool) {
	q := &s.req
	if !q.complete || len(q.facts) != 1 {
		return u, false
	}
	u.facts = q.facts[0]
	if q.simple {
		u.simple = true
		u.text, _ = pgwire.QueryText(q.body(&q.frames[0]))
		return u, true
	}
	step := 0
	for i := range q.frames {
		next, ok := s.unitStep(&u, &q.frames[i], step)
		if !ok {
			return u, false
		}
		step = next
	}
	return u, step == unitDone
}

// The steps of an extended unit, in their order.
const (
	unitParse = iota + 1
	unitDescribeStatement
	unitBind
	unitDescribePortal
	unitExecute
	unitDone
)

// unitStep takes one frame and says which step it was; not ok if it is out of order or does more than a unit may.
func (s *Session) unitStep(u *unit, f *frame, after int) (step int, ok bool) {
	body := s.req.body(f)
	switch f.typ {
	case 'P':
		name, _, err := pgwire.CString(body)
		fresh := err == nil && (len(name) == 0 || s.names.get(name) == nil)
		return unitParse, fresh && after == 0
	case 'D':
		object, name, err := pgwire.DecodeObject(body)
		if err != nil {
			return 0, false
		}
		if object == 'S' {
			u.describeStatement = true
			return unitDescribeStatement, after < unitDescribeStatement
		}
		return unitDescribePortal, after == unitBind && len(name) == 0
	case 'B':
		m, err := pgwire.DecodeBind(body)
		if err != nil || f.stmt == nil || len(m.Portal) > 0 {
			return 0, false
		}
		u.text, u.types = bytesOf(f.stmt.text), bytesOf(f.stmt.types)
		u.params = m.Rest[:len(m.Rest)-2-len(m.ResultFormats)]
		u.formats = m.Rest[len(u.params):]
		return unitBind, after < unitBind
	case 'E':
		portal, maxRows, err := pgwire.DecodeExecute(body)
		return unitExecute, err == nil && len(portal) == 0 && maxRows == 0 && (after == unitBind || after == unitDescribePortal)
	case 'S':
		return unitDone, after == unitExecute
	}
	return 0, false
}

// fromCache answers the request with a cached result if there is one that may be given; otherwise it arranges for the
// result to be recorded, if it may be kept.
func (s *Session) fromCache(ctx context.Context, dec router.Decision) (done bool, err error) {
	u, ok := s.unit()
	if !ok || s.outdated() {
		return false, nil
	}
	verdict := s.p.policy.Judge(s.cacheInput(&u, dec))
	s.last.cacheReason = verdict.Reason
	s.p.metrics.verdict(verdict.Reason)
	if verdict.Mode == cachepolicy.Bypass || !dec.Read || !s.cacheable() {
		return false, nil
	}
	e, status := s.p.store.Get(ctx, verdict.Key, verdict.Tables)
	if e != nil && s.fits(e, &u) {
		return true, s.serve(e, &u, status)
	}
	flight, leader := s.p.store.Join(verdict.Key)
	if !leader {
		e, status = s.await(ctx, flight)
		if e != nil && s.fits(e, &u) {
			return true, s.serve(e, &u, status)
		}
		s.p.metrics.miss(dec.Class, status)
		s.last.cacheStatus = "miss"
		return false, nil
	}
	s.p.metrics.miss(dec.Class, status)
	s.last.cacheStatus = "miss"
	s.rec = &recorder{
		verdict: verdict, flight: flight, fence: s.p.store.Fence(ctx, verdict.Tables), formats: codesOf(u.formats), limit: s.p.maxResultSize,
	}
	return false, nil
}

// codesOf drops the count in front of format codes.
func codesOf(formats []byte) []byte {
	if len(formats) < 2 {
		return nil
	}
	return formats[2:]
}

// await waits for an equal query that is running. A cancel by the client ends it.
func (s *Session) await(ctx context.Context, flight *store.Flight) (*store.Entry, store.Status) {
	ctx = s.waitable(ctx)
	defer s.waited()
	return flight.Wait(ctx)
}

func (s *Session) cacheInput(u *unit, dec router.Decision) cachepolicy.Input {
	in := cachepolicy.Input{
		Facts: u.facts, Names: s.req.names[0],
		Policy: cachepolicy.ClassPolicy{Cache: dec.Policy.Cache, TTL: dec.Policy.TTL, TimeTTL: dec.Policy.TimeTTL},
		Text:   u.text, Database: s.database, User: s.user, Settings: s.derived.digests[dec.Consistency][:],
		ParamTypes: u.types, Params: u.params, ResultFormats: u.formats, Simple: u.simple,
	}
	asked := s.derived.override.Cache
	if h := u.facts.Hints; h != nil && h.Cache != "" {
		asked = h.Cache
	}
	switch asked {
	case "on", "true", "yes", "1":
		in.On = true
	case "off", "false", "no", "0":
		in.Off = true
	}
	return in
}

// fits reports whether an entry holds all that the request's shape asks for.
func (s *Session) fits(e *store.Entry, u *unit) bool {
	if u.describeStatement && e.ParameterDescription == nil {
		return false
	}
	if u.simple {
		return e.RowDescription != nil
	}
	for i := range s.req.frames {
		if s.req.frames[i].typ == 'D' && e.RowDescription == nil {
			return false
		}
	}
	return true
}

// serve answers the request from an entry, in the order of its frames.
func (s *Session) serve(e *store.Entry, u *unit, status store.Status) error {
	out := s.cout[:0]
	if u.simple {
		s.names.unnamed = nil
		out = append(append(append(out, e.RowDescription...), e.Rows...), e.Tag...)
		out = pgwire.AppendReadyForQuery(out, 'I')
	} else {
		for i := range s.req.frames {
			out = s.serveFrame(out, e, &s.req.frames[i])
		}
	}
	s.cout, s.pend = out, nil
	s.seen.touched = true // the result may be newer than what the session saw before
	s.last.hit(status)
	s.p.metrics.hit(s.decided.Class, status)
	s.measureHit(e)
	return s.flushClient()
}

func (s *Session) serveFrame(out []byte, e *store.Entry, f *frame) []byte {
	body := s.req.body(f)
	switch f.typ {
	case 'P':
		name, _, _ := pgwire.CString(body)
		s.names.set(string(name), s.believed(f.stmt))
		return pgwire.AppendParseComplete(out)
	case 'B':
		return pgwire.AppendBindComplete(out)
	case 'D':
		if body[0] != 'S' {
			return append(out, e.RowDescription...)
		}
		out = append(out, e.ParameterDescription...)
		at := len(out)
		out = append(out, e.RowDescription...)
		setFormats(out[at:], nil)
		return out
	case 'E':
		return append(append(out, e.Rows...), e.Tag...)
	}
	return pgwire.AppendReadyForQuery(out, 'I')
}

// invalidate makes results void that depend on what the session's finished statements changed. It comes before the
// client's answer.
//
// The catalog comes first: whoever resolved a name before that and keeps a result after it, finds that out (stillMeant).
func (s *Session) invalidate() {
	if s.ddl {
		s.ddl = false
		s.p.generation.Add(1)
		s.p.catalog.Invalidate(s.database)
		s.p.welcomes.forget()
		for _, r := range s.relogins {
			s.p.relogin(r)
			s.written = append(s.written, reloginTables(r)...)
		}
		s.relogins = nil
		s.p.proven.forget()
		s.written = append(s.written, cachepolicy.Table{Database: s.database, Rel: cachepolicy.SchemaRel})
	}
	if len(s.written) > 0 {
		s.p.store.Invalidate(s.p.background, s.written)
		clear(s.written)
		s.written = s.written[:0]
	}
}

// misspelt takes back what a text was thought to change that PostgreSQL's parser refused: the whole of a text is parsed before
// any of it is carried out (exec_simple_query). Our parser has to say the same, because a procedure that has committed may
// raise the same SQLSTATE.
func (s *Session) misspelt() {
	if !s.fromIdle || s.ran || len(s.req.facts) != 1 || s.req.facts[0].Reason != parser.ReasonSyntax {
		return
	}
	clear(s.written)
	s.written, s.ddl, s.relogins = s.written[:0], false, nil
}

// beforeReady runs when a transaction is over on the server and the client has not heard of it.
func (s *Session) beforeReady(status byte) error {
	if status == 'I' && (len(s.written) > 0 || s.ddl) {
		s.invalidate()
	}
	return nil
}
