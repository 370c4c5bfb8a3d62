package proxy

import (
	"context"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// lookahead is the size up to which a request is simply written: the server reads it before it answers.
const lookahead = 16 << 10

// send writes the request to the leased connection, what the session needs first in the same write, and relays the answers.
func (s *Session) send(ctx context.Context) error {
	s.setBusy(true)
	s.ran, s.fromIdle = false, s.led.idle()
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
	s.note()
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
	s.sweep()
	for i := range q.frames {
		f := &q.frames[i]
		raw := q.raw[f.off:f.end]
		switch f.typ {
		case 'Q':
			s.setName("", nil) // exec_simple_query drops it
			s.conn.Unnamed = 0
			s.led.sent(owed{kind: owedQuery, record: s.recording(f)})
			if q.simple && len(s.out) == 0 {
				return nil
			}
			s.out = append(s.out, raw...)
		case 'P':
			s.sendParse(f)
		case 'B':
			if err := s.sendBind(f); err != nil {
				return err
			}
		case 'D':
			s.sendDescribe(f)
		case 'C':
			s.sendClose(f)
		case 'E':
			s.led.sent(owed{kind: owedExecute, record: s.recording(f)})
			s.out = append(s.out, raw...)
		case 'S':
			s.led.sent(owed{kind: owedSync})
			s.out = append(s.out, raw...)
		case 'F':
			s.led.sent(owed{kind: owedFunction})
			s.out = append(s.out, raw...)
		default: // Flush owes nothing; COPY data outside of COPY is ignored by the server as well
			s.out = append(s.out, raw...)
		}
	}
	return nil
}

// sendParse gives the client's statement a name on this server. The client's own Parse always reaches the server, so that
// it is judged by the schema of this moment.
func (s *Session) sendParse(f *frame) {
	m, err := pgwire.DecodeParse(s.req.body(f))
	if err != nil {
		s.led.sent(owed{kind: owedParse})
		s.out = append(s.out, s.req.raw[f.off:f.end]...)
		return
	}
	c := s.conn
	if len(m.Name) == 0 {
		now := &prepared{stmt: f.stmt, parsed: s.p.generation.Load()}
		o := owed{kind: owedParse, undo: undoUnnamed, prev: s.names.unnamed, now: now}
		s.setName("", now)
		c.Unnamed = f.stmt.id
		s.led.sent(o)
		s.out = append(s.out, s.req.raw[f.off:f.end]...)
		return
	}
	name := string(m.Name)
	prev := s.names.get(m.Name)
	if prev != nil {
		// The server shall refuse it as PostgreSQL does, after it has looked at the text.
		taken := s.ensure(prev)
		s.led.sent(owed{kind: owedParse, undo: undoName, name: name, prev: prev, taken: taken})
		s.out = pgwire.AppendParse(s.out, taken, m.SQL, m.OIDs)
		return
	}
	now := &prepared{stmt: f.stmt, parsed: s.p.generation.Load()}
	s.setName(name, now)
	s.prepareOn(now, owed{kind: owedParse, undo: undoName, name: name, now: now})
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
	c.Prepared.Mark(p.stmt.id, p.parsed)
	s.led.sent(o)
	s.out = pgwire.AppendParse(s.out, name, bytesOf(p.stmt.text), bytesOf(p.stmt.types))
	return name
}

func (s *Session) closeOn(name string) {
	s.led.sent(owed{kind: owedClose, action: swallow})
	s.out = pgwire.AppendClose(s.out, 'S', name)
}

// ensure returns the name under which this server has the statement, preparing it first where it has not, or has it only
// from before a change of the schema that the client's own Parse came after.
func (s *Session) ensure(p *prepared) string {
	if p.onlyOn != "" {
		return p.onlyOn
	}
	if name, ok := s.conn.Prepared.Name(p.stmt.id); ok && s.conn.Prepared.Marked(p.stmt.id) >= p.parsed {
		return name
	}
	return s.prepareOn(p, owed{kind: owedParse, action: swallow, undo: undoInjected, now: p})
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
	name := s.serverName(m.Statement)
	s.led.sent(owed{kind: owedBind, now: s.names.get(m.Statement), taken: name})
	if len(name) == 0 {
		s.out = append(s.out, s.req.raw[f.off:f.end]...)
		return nil
	}
	s.out, err = pgwire.AppendBindRenamed(s.out, body, name)
	return err
}

// serverName is the name of a client's statement on the leased server, which has it afterwards; empty when the message may
// go as it is: the unnamed statement, or a name that only PostgreSQL can judge.
func (s *Session) serverName(name []byte) string {
	p := s.names.get(name)
	switch {
	case p == nil && len(name) == 0:
		// The server may have an unnamed statement of another session's: this one has none.
		s.closeOn("")
		s.conn.Unnamed = 0
		return ""
	case p == nil:
		return ""
	}
	if len(name) > 0 || p.onlyOn != "" {
		return s.ensure(p)
	}
	if s.conn.Unnamed != p.stmt.id {
		s.conn.Unnamed = p.stmt.id
		s.led.sent(owed{kind: owedParse, action: swallow, undo: undoUnnamed, prev: p, now: p})
		s.out = pgwire.AppendParse(s.out, "", bytesOf(p.stmt.text), bytesOf(p.stmt.types))
	}
	return ""
}

func (s *Session) sendDescribe(f *frame) {
	body := s.req.body(f)
	kind := owedDescribePortal
	if len(body) > 0 && body[0] == 'S' {
		kind = owedDescribeStatement
		if name, _, err := pgwire.CString(body[1:]); err == nil {
			if on := s.serverName(name); on != "" {
				s.led.sent(owed{kind: kind, record: s.recording(f)})
				s.out = pgwire.AppendDescribe(s.out, 'S', on)
				return
			}
		}
	}
	s.led.sent(owed{kind: kind, record: s.recording(f)})
	s.out = append(s.out, s.req.raw[f.off:f.end]...)
}

// sendClose forgets a statement's name. The server keeps the statement: another session may use it.
func (s *Session) sendClose(f *frame) {
	body := s.req.body(f)
	if len(body) > 0 && body[0] == 'S' {
		name, _, err := pgwire.CString(body[1:])
		ok := err == nil
		if p := s.names.get(name); ok && len(name) > 0 && p != nil {
			o := owed{kind: owedClose, action: synthesise, undo: undoName, name: string(name), prev: p}
			if p.onlyOn != "" {
				o.action = swallow
				s.out = pgwire.AppendClose(s.out, 'S', p.onlyOn)
				s.led.sent(o)
				o = owed{kind: owedClose, action: synthesise}
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

// sweep closes statements of which it is not known whether the server has them; closing none is no error.
func (s *Session) sweep() {
	for _, name := range s.conn.Strays {
		s.closeOn(name)
	}
	s.conn.Strays = s.conn.Strays[:0]
}

// setName changes what a name means, and remembers what it meant as long as the request may be run again.
func (s *Session) setName(name string, now *prepared) {
	if s.retry.allowed {
		s.renamed = append(s.renamed, renaming{name, s.names.get(bytesOf(name))})
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

// rename puts the client's name for a statement in the place of ours, in an error about a name that is taken or a Bind that
// does not fit its statement.
func (s *Session) rename(raw []byte, head *owed, code string) []byte {
	if (code != "42P05" && code != codeProtocolViolation) || head.taken == "" {
		return raw
	}
	if head.kind == owedBind {
		head.name = s.names.nameOf(head.now)
	}
	body := raw[pgwire.HeaderSize:]
	message := string(pgwire.ErrorField(body, 'M'))
	return pgwire.AppendErrorMessage(nil, body, strings.Replace(message, head.taken, head.name, 1))
}
