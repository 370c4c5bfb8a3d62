package proxy

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// lookahead is the size up to which a request is simply written: the server reads it before it answers.
const lookahead = 16 << 10

// send writes the request to the leased connection, what the session needs first in the same write, and relays the answers.
func (s *Session) send(ctx context.Context) error {
	s.setBusy(true)
	s.ran, s.fromIdle, s.noted, s.sentAt = false, s.led.idle() && !s.begun.active, false, s.p.generation.Load()
	if err := s.leftOver(); err != nil {
		return err
	}
	s.out = s.out[:0]
	if err := s.prepareServer(); err != nil {
		return err
	}
	s.forgetSequences()
	if err := s.translate(); err != nil {
		return err
	}
	out := s.out
	if len(out) == 0 && s.req.simple {
		out = s.req.raw // nothing to put in front and nothing to rename: no copy
	}
	s.noteOnce()
	if err := s.writeOrExchange(out); err != nil {
		return err
	}
	if cap(s.out) > keepCapacity {
		s.out = nil
	}
	if !s.req.complete {
		return s.drain()
	}
	for {
		if err := s.relay(); err != nil {
			return err
		}
		if !s.led.copyIn {
			return nil
		}
		if err := s.copyIn(ctx); err != nil {
			return err
		}
		if !s.led.empty() && s.led.front().kind == owedExecute {
			return s.drain() // the server answers at the Sync that the client has yet to send
		}
	}
}

// translate appends the request's frames to what goes to the server and enters each in the ledger.
func (s *Session) translate() error {
	q := &s.req
	s.own.synced, s.own.refused = !s.led.unsynced, nil
	s.sweep()
	if s.begun.active && !s.begun.sent { // sent: with the beginning of this request, which its client did not finish in time
		s.sendBegin()
	}
	if s.target == router.Replica && s.req.portalsLeft() {
		s.begun.portals = true
	}
	if err := s.meetSQL(); err != nil {
		return err
	}
	for i := range q.frames {
		f := &q.frames[i]
		raw := q.raw[f.off:f.end]
		switch f.typ {
		case 'Q':
			was := s.names.unnamed
			s.setName("", nil) // exec_simple_query drops it
			s.conn.Unnamed = 0
			if base := s.rebasedBy(); base != nil {
				s.sendReset(f, base)
				continue
			}
			s.led.sent(owed{kind: owedQuery, record: s.recording(f), undo: undoUnnamed, prev: was})
			if q.simple && len(s.out) == 0 {
				return nil
			}
			s.out = append(s.out, raw...)
		case 'P':
			s.sendParse(i)
		case 'B':
			if err := s.sendBind(f); err != nil {
				return err
			}
		case 'D':
			if err := s.sendDescribe(f); err != nil {
				return err
			}
		case 'C':
			s.sendClose(f)
		case 'E':
			s.led.sent(owed{kind: owedExecute, record: s.recording(f)})
			s.out = append(s.out, raw...)
			s.followReset(i)
		case 'S':
			s.led.sent(owed{kind: owedSync})
			s.out = append(s.out, raw...)
		case 'F':
			s.led.sent(owed{kind: owedFunction})
			s.out = append(s.out, raw...)
		case 'H':
			if f.end-f.off > pgwire.HeaderSize { // it is refused, and what follows is ignored, as with any other message
				s.led.sent(owed{kind: owedClose})
			}
			s.out = append(s.out, raw...)
		case 'c', 'f':
			s.led.copyEnded()
			s.out = append(s.out, raw...)
		default: // COPY data outside of COPY is ignored by the server as well
			s.out = append(s.out, raw...)
		}
	}
	return nil
}

// sendParse gives the client's statement at frame i a name on this server. The client's own Parse always reaches the server,
// so that it is judged by the schema of this moment.
func (s *Session) sendParse(i int) {
	f := &s.req.frames[i]
	raw := s.req.raw[f.off:f.end]
	m, err := pgwire.DecodeParse(s.req.body(f))
	if err != nil || !s.wellEncoded(m.Name) {
		s.led.sent(owed{kind: owedParse})
		s.out = append(s.out, raw...)
		return
	}
	c := s.conn
	now := s.newPrepared(f.stmt)
	if len(m.Name) == 0 {
		o := owed{kind: owedParse, undo: undoUnnamed, prev: s.names.unnamed, now: now}
		s.setName("", now)
		c.Unnamed, c.UnnamedCopy = f.stmt.id, backend.Copy{Mark: now.parsed}
		s.led.sent(o)
		s.out = append(s.out, raw...)
		if !s.req.usesLater(i, nil) {
			s.describe(owed{now: now}, "")
		}
		return
	}
	name := string(m.Name)
	prev := s.names.get(m.Name)
	if s.own.active {
		if prev != nil {
			s.putOwn(name, prev) // for PostgreSQL to refuse it, unless SQL has dropped it meanwhile
		}
		now.own = s.own.lease
		s.setName(name, now)
		s.led.sent(owed{kind: owedParse, undo: undoName, name: name, prev: prev, now: now})
		s.out = append(s.out, raw...)
		return
	}
	if prev != nil {
		// The server shall refuse it as PostgreSQL does, after it has looked at the text.
		taken, ok := c.Prepared.Name(prev.stmt.id)
		if !ok {
			taken = s.prepareOn(prev, owed{kind: owedParse, action: swallow, undo: undoInjected, now: prev})
		}
		s.led.sent(owed{kind: owedParse, undo: undoName, name: name, prev: prev, taken: taken})
		s.out = pgwire.AppendParse(s.out, taken, m.SQL, m.OIDs)
		return
	}
	s.setName(name, now)
	on := s.prepareOn(now, owed{kind: owedParse, undo: undoName, name: name, now: now})
	if !s.req.describedLater(i, m.Name) {
		s.describe(owed{now: now, taken: on}, on)
	}
}

// prepareOn sends a Parse for a statement under a fresh name; an earlier one on this server is closed.
func (s *Session) prepareOn(p *prepared, o owed) string {
	c := s.conn
	if old, ok := c.Prepared.Name(p.stmt.id); ok {
		s.closeOn(old)
		c.Prepared.Forget(p.stmt.id)
	}
	name := s.p.serverNames.fresh()
	if evicted, full := c.Prepared.Add(p.stmt.id, name); full {
		s.closeOn(evicted)
	}
	c.Prepared.Copy(p.stmt.id).Mark = s.p.generation.Load()
	o.taken = name
	s.led.sent(o)
	s.out = pgwire.AppendParse(s.out, name, bytesOf(p.stmt.text), p.types())
	return name
}

// wellEncoded is false for a name that the server refuses; under a name of ours it would not notice.
func (s *Session) wellEncoded(name []byte) bool {
	if utf8.Valid(name) {
		return true
	}
	encoding, _ := s.conn.Status.Get("client_encoding")
	return encoding != "UTF8"
}

func (s *Session) closeOn(name string) {
	s.led.sent(owed{kind: owedClose, action: swallow, undo: undoClose, name: name})
	s.out = pgwire.AppendClose(s.out, 'S', name)
}

// ensure returns the name under which this server has the statement, preparing it first where it has not, or has it only as
// the client's own Parse could not have made it.
func (s *Session) ensure(p *prepared) (string, error) {
	c := s.conn.Prepared.Copy(p.stmt.id)
	if c != nil && fits(c, p) {
		return c.Name, nil
	}
	var name string
	prepare := func(check bool) {
		name = s.prepareOn(p, owed{kind: owedParse, action: swallow, undo: undoInjected, now: p})
		s.describe(owed{now: p, taken: name, check: check}, name)
	}
	if s.mayDiffer(c, p) {
		made, stale, err := s.check(p, prepare)
		if stale || err != nil {
			return staleName, err
		}
		if made {
			return name, nil
		}
	}
	prepare(false)
	return name, nil
}

// ensureUnnamed is the same for the unnamed statement.
func (s *Session) ensureUnnamed(p *prepared) (string, error) {
	c := s.conn
	var copied *backend.Copy
	if c.Unnamed == p.stmt.id {
		copied = &c.UnnamedCopy
	}
	if copied != nil && fits(copied, p) {
		return "", nil
	}
	prepare := func(check bool) {
		c.Unnamed, c.UnnamedCopy = p.stmt.id, backend.Copy{Mark: s.p.generation.Load()}
		s.led.sent(owed{kind: owedParse, action: swallow, undo: undoUnnamed, prev: p, now: p})
		s.out = pgwire.AppendParse(s.out, "", bytesOf(p.stmt.text), p.types())
		if check {
			s.describe(owed{now: p, check: true}, "")
		}
	}
	if s.mayDiffer(copied, p) {
		made, stale, err := s.check(p, prepare)
		if stale || err != nil {
			return staleName, err
		}
		if made {
			return "", nil
		}
	}
	prepare(false)
	return "", nil
}

// sendBind names the statement as the server knows it.
func (s *Session) sendBind(f *frame) error {
	body := s.req.body(f)
	m, err := pgwire.DecodeBind(body)
	if err != nil { // PostgreSQL says what is wrong with it, if it knows the statement
		if _, rest, err := pgwire.CString(body); err == nil {
			m.Statement, _, _ = pgwire.CString(rest)
		}
	}
	name, err := s.serverName(m.Statement)
	if err != nil {
		return err
	}
	s.led.sent(owed{kind: owedBind, now: s.names.get(m.Statement), taken: name, stale: name == staleName})
	if len(name) == 0 {
		s.out = append(s.out, s.req.raw[f.off:f.end]...)
		return nil
	}
	s.out, err = pgwire.AppendBindRenamed(s.out, body, name)
	return err
}

// serverName is the name of a client's statement on the leased server, which has it afterwards; empty when the message may
// go as it is: the unnamed statement, a name that is the client's own there, or one that only PostgreSQL can judge. It is
// staleName where PostgreSQL would refuse the statement.
func (s *Session) serverName(name []byte) (string, error) {
	p := s.names.get(name)
	switch {
	case p == nil && len(name) == 0:
		// The server may have an unnamed statement of another session's: this one has none.
		s.closeOn("")
		s.conn.Unnamed = 0
		return "", nil
	case p == nil:
		return "", nil
	case p.onlyOn != "":
		return p.onlyOn, nil
	case len(name) == 0:
		return s.ensureUnnamed(p)
	case s.own.active:
		return s.ensureOwn(string(name), p)
	}
	return s.ensure(p)
}

func (s *Session) sendDescribe(f *frame) error {
	body := s.req.body(f)
	raw := s.req.raw[f.off:f.end]
	if len(body) > 0 && body[0] == 'S' {
		if name, _, err := pgwire.CString(body[1:]); err == nil {
			on, err := s.serverName(name)
			if err != nil {
				return err
			}
			o := owed{kind: owedDescribeStatement, record: s.recording(f), now: s.names.get(name), taken: on, stale: on == staleName}
			if on == "" && s.own.active {
				o.taken = string(name)
			}
			s.led.sent(o)
			if on == "" {
				s.out = append(s.out, raw...)
			} else {
				s.out = pgwire.AppendDescribe(s.out, 'S', on)
			}
			return nil
		}
		s.led.sent(owed{kind: owedDescribeStatement, record: s.recording(f)})
	} else {
		s.led.sent(owed{kind: owedDescribePortal, record: s.recording(f)})
	}
	s.out = append(s.out, raw...)
	return nil
}

// sendClose forgets a statement's name. The server keeps the statement: another session may use it.
func (s *Session) sendClose(f *frame) {
	body := s.req.body(f)
	if len(body) > 0 && body[0] == 'S' {
		name, _, err := pgwire.CString(body[1:])
		ok := err == nil
		if p := s.names.get(name); ok && len(name) > 0 && p != nil {
			o := owed{kind: owedClose, action: synthesise, undo: undoName, name: string(name), prev: p}
			if s.own.active {
				o.action = forward
				s.out = append(s.out, s.req.raw[f.off:f.end]...)
			}
			s.setName(string(name), nil)
			s.led.sent(o)
			return
		}
		if ok && len(name) == 0 {
			s.conn.Unnamed = 0
			o := owed{kind: owedClose, undo: undoName, prev: s.names.unnamed}
			s.setName("", nil)
			s.led.sent(o)
			s.out = append(s.out, s.req.raw[f.off:f.end]...)
			return
		}
	}
	s.led.sent(owed{kind: owedClose})
	s.out = append(s.out, s.req.raw[f.off:f.end]...)
}

// dropped takes back what a request that the server ignores or refuses had changed in our books.
func (s *Session) dropped(o owed, failed bool) {
	switch o.undo {
	case undoNothing:
	case undoName:
		s.names.set(o.name, o.prev)
		s.forgetPrepared(o.now)
	case undoUnnamed:
		s.names.unnamed = o.prev
		if failed && o.action == forward {
			s.names.unnamed = nil
		}
		if s.conn != nil {
			s.conn.Unnamed = 0
		}
	case undoInjected:
		s.forgetPrepared(o.now)
	case undoOwn:
		o.now.own = 0
	case undoClose:
		if s.conn != nil && o.name != "" {
			s.conn.Strays = append(s.conn.Strays, o.name)
		}
	}
}

// forgetPrepared: the server may or may not have the name; it is closed with the next use of the connection.
func (s *Session) forgetPrepared(p *prepared) {
	c := s.conn
	if c == nil || p == nil {
		return
	}
	if name, ok := c.Prepared.Name(p.stmt.id); ok {
		c.Prepared.Forget(p.stmt.id)
		c.Strays = append(c.Strays, name)
	}
}

// sweep closes statements that nobody names any more, or of which it is not known whether the server has them; closing none
// is no error.
func (s *Session) sweep() {
	if len(s.conn.Strays) == 0 || s.led.skipping {
		return
	}
	for _, name := range s.conn.Strays {
		if p := s.names.unnamed; p == nil || p.onlyOn != name {
			s.closeOn(name)
		}
	}
	s.conn.Strays = s.conn.Strays[:0]
}

// setName changes what a name means, and remembers what it meant as long as the request may be run again.
func (s *Session) setName(name string, now *prepared) {
	was := s.names.get(bytesOf(name))
	if s.retry.allowed {
		s.renamed = append(s.renamed, renaming{name, was})
	}
	if was != nil && was.onlyOn != "" && s.conn != nil {
		s.conn.Strays = append(s.conn.Strays, was.onlyOn)
	}
	s.names.set(name, now)
}

// renaming is a change of the name space by the request under way.
type renaming struct {
	name string
	was  *prepared
}

// undoAll takes back what an attempt that is given up did to our books.
func (s *Session) undoAll() {
	for i := len(s.led.queue) - 1; i >= s.led.head; i-- {
		s.dropped(s.led.queue[i], false)
	}
	for _, r := range slices.Backward(s.renamed) {
		s.names.set(r.name, r.was)
	}
	s.renamed = s.renamed[:0]
}

// rename puts the client's name for a statement in the place of ours, in an error about a name that is taken or unknown or a
// Bind that does not fit its statement.
func (s *Session) rename(raw []byte, head *owed, code string) []byte {
	switch code {
	case codeInFailedTransaction:
		// What was put in front has broken the transaction: the client's statement would have.
		if r := s.own.refused; len(r) > 0 && r[0].raw != nil && head.kind == owedQuery {
			return r[0].raw
		}
		return raw
	case codeDuplicateStatement, codeUndefinedStatement, codeProtocolViolation:
	default: // an open set
		return raw
	}
	if head.stale {
		return s.staleError(raw, head)
	}
	body := raw[pgwire.HeaderSize:]
	message := string(pgwire.ErrorField(body, 'M'))
	if said := s.refusalOf(message, raw); said != nil && code == codeUndefinedStatement {
		return said
	}
	if head.taken == "" {
		return raw
	}
	if head.kind != owedParse {
		head.name = s.names.nameOf(head.now)
	}
	return pgwire.AppendErrorMessage(nil, body, strings.Replace(message, head.taken, head.name, 1))
}
