package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// deferredBegin is a BEGIN that the client has an answer to and that no server has seen: it goes in front of the first
// statement of the transaction, in the same write. Until then the session holds no server connection. What a client could
// notice is when now() stops; so the BEGIN is sent alone, when the client thinks for longer than beginTicks.
type deferredBegin struct {
	active bool
	failed *failure // there is no transaction, and this was said: everything but its end is refused
	stmt   *statement
	dec    router.Decision
	simple bool // the client sent it as a Query, which leaves no portal behind
	sent   bool // to the connection that is held now

	portals bool // the transaction may have portals that its client goes on with
}

// beginTicks is how long a BEGIN is put off at most, in ticks of the watcher.
const beginTicks = 1

// status is the transaction status that the client knows of.
func (s *Session) status() byte {
	switch {
	case s.begun.active && s.begun.failed != nil:
		return 'E'
	case s.begun.active:
		return 'T'
	}
	return s.led.status
}

// defers answers a BEGIN that needs no server yet.
func (s *Session) defers() bool {
	st := s.transactionControl()
	if st == nil || st.Kind != parser.Begin || !s.p.config().DeferredBegin || s.effects != 0 {
		return false
	}
	in := s.routerInput()
	dec := s.p.router.Route(in)
	if dec.Target == router.Primary && in.NoPrimary || dec.Target == router.Replica && (st.Tx != nil && st.Tx.Serializable || s.derived.serializable) {
		return false // it is for the server to say what is wrong
	}
	s.decided = dec
	s.last.begin(dec)
	s.last.why = "deferred"
	s.answerControl(beginTag(s.req.facts[0]), 'T')
	s.begun = deferredBegin{active: true, stmt: s.beginStatement(), dec: dec, simple: s.req.simple}
	s.mu.Lock()
	s.mu.begun = s.p.ticks.Load()
	s.mu.Unlock()
	s.measure()
	return true
}

// transactionControl returns the one statement of a request that does nothing else than begin or end a transaction, and that
// can be answered without a server; nil for any other request.
func (s *Session) transactionControl() *parser.Statement {
	q := &s.req
	if !q.complete || len(q.facts) != 1 || s.led.skipping {
		return nil
	}
	st := q.facts[0].Single()
	if st == nil || !transactionControl(st.Kind) || st.Tx != nil && st.Tx.Chain {
		return nil
	}
	bound, executed := false, false
	for i := range q.frames {
		f := &q.frames[i]
		body := q.body(f)
		ok := true
		switch f.typ {
		case 'Q':
			bound, executed = true, true
		case 'P':
			ok = f.stmt.facts == q.facts[0] && s.parseNeedsNoServer(f)
		case 'B':
			m, err := pgwire.DecodeBind(body)
			ok = err == nil && !bound && len(m.Portal) == 0 && m.ParameterCount == 0 && len(m.ParameterFormats) == 0
			bound = true
		case 'D':
			kind, name, err := pgwire.DecodeObject(body)
			ok = err == nil && kind == 'P' && len(name) == 0 && bound && !executed
		case 'E':
			portal, _, err := pgwire.DecodeExecute(body)
			ok = err == nil && len(portal) == 0 && bound && !executed
			executed = true
		case 'S':
			ok = len(body) == 0
		default: // an open set
			ok = false
		}
		if !ok {
			return nil
		}
	}
	if !executed {
		return nil
	}
	return st
}

// answerControl gives the answers to such a request.
func (s *Session) answerControl(tag string, status byte) {
	q := &s.req
	for i := range q.frames {
		f := &q.frames[i]
		switch f.typ {
		case 'Q':
			s.names.unnamed = nil
			s.cout = pgwire.AppendCommandComplete(s.cout, tag)
			s.cout = pgwire.AppendReadyForQuery(s.cout, status)
		case 'P':
			s.parseLocally(f)
		case 'B':
			s.cout = pgwire.AppendBindComplete(s.cout)
		case 'D':
			s.cout = pgwire.AppendNoData(s.cout)
		case 'E':
			s.cout = pgwire.AppendCommandComplete(s.cout, tag)
		case 'S':
			s.cout = pgwire.AppendReadyForQuery(s.cout, status)
		}
	}
}

// beginTag tells BEGIN from START TRANSACTION, which are the same but for their tags.
func beginTag(f *parser.Facts) string {
	if len(f.Normalized) >= 5 && strings.EqualFold(f.Normalized[:5], "start") {
		return "START TRANSACTION"
	}
	return "BEGIN"
}

// beginStatement is the client's BEGIN as a statement that servers keep prepared.
func (s *Session) beginStatement() *statement {
	q := &s.req
	for i := range q.frames {
		f := &q.frames[i]
		switch {
		case f.typ == 'Q':
			text, _ := pgwire.QueryText(q.body(f)) // inspect has read it
			if last := s.begun.stmt; last != nil && last.text == string(text) {
				return last
			}
			return s.p.statements.intern(&s.key, text, nil, byte(s.lexing()), s.factsOf)
		case f.stmt != nil:
			return f.stmt
		}
	}
	return nil
}

// inDeferred carries out a request of a session whose BEGIN was put off.
func (s *Session) inDeferred(ctx context.Context) error {
	b := &s.begun
	if st := s.transactionControl(); st != nil && st.Kind != parser.Begin {
		tag := "ROLLBACK"
		if st.Kind == parser.Commit && b.failed == nil {
			tag = "COMMIT"
		}
		s.endDeferred()
		s.last.begin(b.dec)
		s.last.why = "deferred"
		s.answerControl(tag, 'I')
		s.measure()
		return s.flushClient()
	}
	if b.failed != nil {
		return &failure{
			code: "25P02", message: "current transaction is aborted, commands ignored until end of transaction block",
		}
	}
	dec := s.placed(b.dec)
	s.decided = dec
	s.last.begin(dec)
	err := s.attempts(ctx, dec)
	return s.beginFailed(err)
}

// beginFailed notes that there is no transaction: the client believes in one, which has failed now.
func (s *Session) beginFailed(err error) error {
	var f *failure
	if errors.As(err, &f) && s.conn == nil && !f.final && s.begun.active {
		s.begun.failed = f
	}
	return err
}

func (s *Session) endDeferred() {
	s.begun.active, s.begun.failed = false, nil
	s.mu.Lock()
	s.mu.begun = 0
	s.mu.Unlock()
}

// sendBegin puts the BEGIN in front, without a Sync behind it: if it fails, the server ignores all that follows.
func (s *Session) sendBegin() {
	s.begun.sent = true
	c, stmt := s.conn, s.begun.stmt
	name, ok := c.Prepared.Name(stmt.id)
	if !ok {
		name = s.p.serverNames.fresh()
		if evicted, full := c.Prepared.Add(stmt.id, name); full {
			s.closeOn(evicted)
		}
		s.led.sent(owed{kind: owedParse, action: swallow, undo: undoInjected, now: &prepared{stmt: stmt}, begin: true})
		s.out = pgwire.AppendParse(s.out, name, bytesOf(stmt.text), nil)
	}
	s.led.sent(owed{kind: owedBind, action: swallow, begin: true})
	s.out = pgwire.AppendBind(s.out, "", name, noParameters)
	s.led.sent(owed{kind: owedExecute, action: swallow, begin: true})
	s.out = pgwire.AppendExecute(s.out, "", 0)
	if s.begun.simple {
		s.led.sent(owed{kind: owedClose, action: swallow})
		s.out = pgwire.AppendClose(s.out, 'P', "")
	}
}

// noParameters is the rest of a Bind message without formats or parameters.
var noParameters = make([]byte, 6)

// awaitsBegin reports whether the server has not said yet that the transaction, which the client believes in, has begun. If
// the server is lost now, nothing of it was carried out for good.
func (s *Session) awaitsBegin() bool { return !s.led.empty() && s.led.front().begin }

// repeatableInside reports whether the first request of a transaction may be sent again with its BEGIN, if the connection is
// lost before BEGIN is answered: it does not end the transaction.
func (s *Session) repeatableInside() bool {
	for _, f := range s.req.facts {
		for i := range f.Statements {
			if !staysInside(f.Statements[i].Kind) {
				return false
			}
		}
	}
	return true
}

// staysInside reports whether a statement surely neither ends nor leaves a transaction.
func staysInside(k parser.Kind) bool {
	return slices.Contains([]parser.Kind{
		parser.Select, parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.Set, parser.Show, parser.Explain,
		parser.Declare, parser.Lock, parser.Savepoint,
	}, k)
}

// beginNow sends a BEGIN that was put off alone, as the client takes its time. Where that fails the client, who waits for
// nothing, hears nothing of it: its first statement tries again.
func (s *Session) beginNow(ctx context.Context) error {
	err := s.beginAlone(ctx)
	var f *failure
	if errors.As(err, &f) && s.conn == nil && !f.final {
		return nil
	}
	return err
}

func (s *Session) beginAlone(ctx context.Context) error {
	if !s.begun.active || s.begun.failed != nil || s.conn != nil || len(s.req.frames) > 0 {
		return nil
	}
	s.req.complete = true
	s.decided, s.wrote = s.begun.dec, false
	err := s.attemptBegin(ctx)
	s.req.complete = false
	if err == nil {
		s.setBusy(false)
	}
	return err
}

func (s *Session) attemptBegin(ctx context.Context) error {
	dec := s.begun.dec
	for attempt := 1; ; attempt++ {
		s.retry = retryState{allowed: true, begin: true, attempts: attempt}
		if err := s.acquire(ctx, dec); err != nil {
			return err
		}
		s.setBusy(true)
		s.out = s.out[:0]
		err := s.prepareServer()
		if err == nil {
			s.sendBegin()
			s.led.sent(owed{kind: owedSync, action: swallow})
			s.out = pgwire.AppendSync(s.out)
			if err = s.writeServer(s.out); err == nil {
				err = s.relay()
			}
		}
		if !errors.Is(err, errRetry) {
			return err
		}
		dec = s.again(dec, false)
	}
}
