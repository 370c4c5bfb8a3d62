package proxy

import (
	"strconv"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// lastStatement is what SHOW aioproxy.last tells about the previous request.
type lastStatement struct {
	class       router.Class
	reason      router.Reason
	target      string // primary, replica, cache, proxy; empty if it reached nothing
	node        string
	why         string // instead of reason, where the cluster had the last word
	pins        pinSet // for which the connection was held
	cacheStatus string // hit, miss, bypass; empty for what no cache could answer
	cacheReason cachepolicy.Reason
	tier        string
	code        string // SQLSTATE of its error
	rows        int64
	wait        time.Duration
	elapsed     time.Duration
}

func (l *lastStatement) begin(dec router.Decision) {
	*l = lastStatement{class: dec.Class, reason: dec.Reason, cacheStatus: "bypass", cacheReason: cachepolicy.NotSingle}
}

func (l *lastStatement) held(s *Session) {
	*l = lastStatement{
		class: router.OLTP, reason: router.Held, target: s.target.String(), node: s.conn.Key().Node,
		cacheStatus: "bypass", cacheReason: cachepolicy.NotSingle, pins: s.pins,
	}
}

func (l *lastStatement) leased(target router.Target, node string, waited time.Duration) {
	l.target, l.node = target.String(), node
	l.wait += waited
}

func (l *lastStatement) source(r cluster.Reason) {
	if r != cluster.Found {
		l.why = r.String()
	}
}

func (l *lastStatement) retried(code string) {
	l.why = "retried"
	if code != "" {
		l.why = "retried after " + code
	}
}

func (l *lastStatement) hit(st store.Status) {
	l.target, l.node, l.cacheStatus, l.tier, l.why = "cache", "", "hit", st.String(), ""
}

func (l *lastStatement) error(code string) { l.code = code }

func (l *lastStatement) failed(f *failure) { l.code = f.code }

func (l *lastStatement) tag(body []byte) {
	if tag, err := pgwire.DecodeCommandComplete(body); err == nil {
		if n, ok := pgwire.TagRows(tag); ok {
			l.rows += n
		}
	}
}

var lastColumns = []string{"class", "target", "node", "reason", "cache", "cache_reason", "pin", "wait_ms", "time_ms"}

const textOID = 25

// lastDescription is the RowDescription of SHOW aioproxy.last.
var lastDescription = func() []byte {
	columns := make([]pgwire.Column, len(lastColumns))
	for i, n := range lastColumns {
		columns[i] = pgwire.Column{Name: n, TypeOID: textOID}
	}
	return pgwire.AppendRowDescription(nil, columns)
}()

// appendRow tells it; pins are those of now.
func (l *lastStatement) appendRow(dst []byte, pins pinSet) []byte {
	reason := l.why
	switch {
	case reason == "" && l.pins != 0:
		reason = "pinned: " + l.pins.String()
	case reason == "":
		reason = l.reason.String()
	}
	cacheReason := l.cacheReason.String()
	if l.cacheStatus == "hit" {
		cacheReason = l.tier
	}
	return pgwire.AppendDataRowText(dst, l.class.String(), l.target, l.node, reason, l.cacheStatus, cacheReason, pins.String(),
		millis(l.wait), millis(l.elapsed))
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 3, 64)
}

// isLast recognises SHOW aioproxy.last.
func isLast(f *parser.Facts) bool {
	st := f.Single()
	return st != nil && st.Kind == parser.Show && st.Setting != nil && st.Setting.Name == "aioproxy.last"
}

// local answers what needs no server: SHOW aioproxy.last, and without a lease what is only about our own books.
func (s *Session) local() bool {
	q := &s.req
	if !q.complete || !s.led.empty() || s.led.skipping || s.begun.failed != nil {
		return false
	}
	if s.deallocates() {
		return true
	}
	answerable := true
	for _, f := range q.facts {
		answerable = answerable && isLast(f)
	}
	for i := range q.frames {
		f := &q.frames[i]
		switch f.typ {
		case 'Q', 'B', 'E', 'D':
		case 'H', 'S':
			answerable = answerable && len(q.body(f)) == 0
		case 'P':
			answerable = answerable && (isLast(f.stmt.facts) || s.conn == nil && s.parseNeedsNoServer(f))
		case 'C':
			_, _, err := pgwire.DecodeObject(q.body(f))
			answerable = answerable && s.conn == nil && err == nil
		default:
			answerable = false
		}
		if (f.typ == 'D' || f.typ == 'E') && !s.aboutLast(i) {
			answerable = false
		}
	}
	if !answerable || s.conn != nil && len(q.facts) == 0 && !s.parsesLast() {
		return false
	}
	for i := range q.frames {
		s.answerLocally(&q.frames[i])
	}
	return true
}

func (s *Session) parsesLast() bool {
	for i := range s.req.frames {
		if f := &s.req.frames[i]; f.typ == 'P' || f.typ == 'D' {
			return s.aboutLast(i + 1)
		}
	}
	return false
}

// aboutLast reports whether a Describe or Execute at frame i is about SHOW aioproxy.last.
func (s *Session) aboutLast(i int) bool {
	q := &s.req
	if i < len(q.frames) && q.frames[i].typ == 'D' {
		object, name, err := pgwire.DecodeObject(q.body(&q.frames[i]))
		if err != nil {
			return false
		}
		if object == 'S' {
			st := q.meaning(s, i, name)
			return st != nil && isLast(st.facts)
		}
	}
	for j := i - 1; j >= 0; j-- {
		if f := &q.frames[j]; f.stmt != nil {
			return isLast(f.stmt.facts)
		}
	}
	return false
}

func (s *Session) answerLocally(f *frame) {
	status := s.status()
	body := s.req.body(f)
	switch f.typ {
	case 'Q':
		s.names.unnamed = nil
		s.cout = append(s.cout, lastDescription...)
		s.cout = s.last.appendRow(s.cout, s.pins)
		s.cout = pgwire.AppendCommandComplete(s.cout, "SHOW")
		s.cout = pgwire.AppendReadyForQuery(s.cout, status)
	case 'P':
		s.parseLocally(f)
	case 'D':
		if body[0] == 'S' {
			s.cout = pgwire.AppendParameterDescription(s.cout)
		}
		s.cout = append(s.cout, lastDescription...)
	case 'B':
		s.cout = pgwire.AppendBindComplete(s.cout)
	case 'E':
		s.cout = s.last.appendRow(s.cout, s.pins)
		s.cout = pgwire.AppendCommandComplete(s.cout, "SHOW")
	case 'C':
		if body[0] == 'S' {
			name, _, _ := pgwire.CString(body[1:])
			s.names.set(string(name), nil)
		}
		s.cout = pgwire.AppendCloseComplete(s.cout)
	case 'S':
		s.cout = pgwire.AppendReadyForQuery(s.cout, status)
	}
}

// parseLocally gives the answer to a Parse whose text needs no judge.
func (s *Session) parseLocally(f *frame) {
	name, _, _ := pgwire.CString(s.req.body(f))
	s.names.set(string(name), s.believed(f.stmt))
	s.cout = pgwire.AppendParseComplete(s.cout)
}
