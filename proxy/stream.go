package proxy

import (
	"context"
	"errors"
	"sync"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// writeOrExchange writes a request. A small one is written in the same breath in which its answer is awaited.
func (s *Session) writeOrExchange(b []byte) error {
	if len(b) == 0 || len(b) > lookahead || s.led.empty() || !s.req.complete {
		return s.writeServer(b)
	}
	err := s.conn.Reader.Exchange(b)
	if err == nil || errors.Is(err, pgwire.ErrWoken) {
		return nil
	}
	return s.lost(err)
}

// writeServer writes to the server. While much is being written the server's answers are relayed meanwhile: a server that
// cannot get rid of its answers would not read on.
func (s *Session) writeServer(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) <= lookahead && s.quiet() {
		if err := s.conn.Wire.Write(b); err != nil {
			return s.lost(err)
		}
		return nil
	}
	n, err := s.conn.Wire.TryWrite(b)
	if err == nil && n == len(b) {
		return nil
	}
	if err != nil && !errors.Is(err, pgwire.ErrWouldBlock) {
		return s.lost(err)
	}
	return s.writeBeside(b[n:])
}

// quiet: nothing is owed yet but what this write asks for, so the server has nothing to say that could block it.
func (s *Session) quiet() bool { return s.req.complete && !s.led.copyIn }

// writeBeside writes from a goroutine of its own while this one relays answers.
func (s *Session) writeBeside(b []byte) error {
	c := s.conn
	var (
		wg       sync.WaitGroup
		writeErr error
		done     = make(chan struct{})
	)
	wg.Go(func() {
		writeErr = c.Wire.Write(b)
		close(done)
		c.Wire.Wake() // the server connection's reader: us
	})
	var relayErr error
	for relayErr == nil && !closed(done) {
		if relayErr = s.answers(); relayErr == nil {
			if relayErr = s.flushAnswers(); relayErr == nil {
				relayErr = s.fillServer()
			}
		}
	}
	if relayErr != nil {
		_ = c.Wire.Close() // ends the writer as well
	}
	wg.Wait()
	if relayErr != nil {
		return relayErr
	}
	if writeErr != nil {
		return s.lost(writeErr)
	}
	return nil
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// drain relays the answers that are there, without waiting for more: the request goes on.
func (s *Session) drain() error {
	for {
		if err := s.answers(); err != nil {
			return err
		}
		if err := s.flushAnswers(); err != nil {
			return err
		}
		more, err := s.conn.Reader.TryFill()
		if err != nil {
			return s.lost(err)
		}
		if !more {
			return nil
		}
	}
}

// stream passes on a message that is larger than the window. What it does is not known before its end, so it goes to the
// primary; its text is not kept, so a statement that it prepares lives on this server connection alone.
func (s *Session) stream(ctx context.Context) error {
	q := &s.req
	if s.refused || q.header.Type == 'd' { // the rest of a COPY that the server has given up is ignored
		return s.swallowBig(ctx)
	}
	if err := s.connForBig(ctx); err != nil {
		if swallowed := s.swallowBig(ctx); swallowed != nil {
			return swallowed
		}
		q.complete = q.header.Type == 'Q' || q.header.Type == 'F'
		return s.failed(err)
	}
	s.setBusy(true)
	s.ran, s.fromIdle, s.noted = false, false, false
	s.own.synced, s.own.refused = false, nil
	s.out = s.out[:0]
	if err := s.prepareServer(); err != nil {
		return err
	}
	s.sweep()
	s.takeSequences()
	used, err := s.bigHead()
	if err != nil {
		return err
	}
	if err := s.writeServer(s.out); err != nil {
		return err
	}
	s.out = nil
	s.client.Discard(used)
	q.raw = nil
	if err := s.passOn(ctx, q.header.Len-used); err != nil {
		return err
	}
	switch q.header.Type {
	case 'Q', 'F':
		q.complete = true
		for {
			if err := s.relay(); err != nil {
				return err
			}
			if !s.led.copyIn {
				return s.finish(ctx)
			}
			if err := s.copyIn(ctx); err != nil {
				return err
			}
		}
	}
	return s.drain()
}

// connForBig sees to it that there is a server connection, in the client's transaction.
func (s *Session) connForBig(ctx context.Context) error {
	if s.conn == nil && s.begun.active {
		if s.begun.failed != nil {
			return s.begun.failed
		}
		if err := s.beginFailed(s.beginAlone(ctx)); err != nil {
			return err
		}
	}
	if s.conn != nil {
		if s.led.idle() {
			s.want = s.settings
		}
		return nil
	}
	s.decided = router.Decision{Target: router.Primary, Reason: router.TooLarge, Rule: -1}
	s.last.begin(s.decided)
	s.retry = retryState{}
	return s.acquire(ctx, s.decided)
}

// bigHead appends the rewritten beginning of a large message and says how much of the client's bytes it stands for.
func (s *Session) bigHead() (used int, err error) {
	q := &s.req
	q.facts = append(q.facts[:0], tooLong)
	q.names = append(q.names[:0], nil)
	body := q.raw[pgwire.HeaderSize:]
	switch q.header.Type {
	case 'Q':
		s.names.unnamed, s.conn.Unnamed = nil, 0
		s.led.sent(owed{kind: owedQuery})
		s.readsLong(nil)
		s.out = append(s.out, q.raw[:pgwire.HeaderSize]...)
		return pgwire.HeaderSize, nil
	case 'F':
		s.led.sent(owed{kind: owedFunction})
	case 'P':
		return s.bigParse(body)
	case 'B':
		return s.bigBind(body)
	default:
		return 0, violation("a message of type %q is too long", q.header.Type)
	}
	s.note()
	s.out = append(s.out, q.raw...)
	return len(q.raw), nil
}

// tooLong stands for a text that was too long to find out what it is.
var tooLong = &parser.Facts{Reason: "too long", Normalized: "<opaque>", Statements: []parser.Statement{{Kind: parser.Opaque}}}

func (s *Session) bigParse(body []byte) (int, error) {
	name, _, err := pgwire.CString(body)
	if err != nil {
		return 0, violation("invalid Parse message")
	}
	now := &prepared{stmt: &statement{facts: tooLong}, large: true}
	s.readsLong(now.stmt)
	prev := s.names.get(name)
	on := string(name)
	if on == "" {
		// Our own questions about the session would drop an unnamed one.
		now.onlyOn = s.p.serverNames.fresh()
		on = now.onlyOn
	} else {
		s.own.active, now.own = true, s.own.lease
		if prev != nil {
			s.putOwn(on, prev)
		}
	}
	s.setPin(pinStatement)
	s.setName(string(name), now) // first: the server may be ignoring it
	s.led.sent(owed{kind: owedParse, undo: undoName, name: string(name), prev: prev, now: now})
	s.out = pgwire.AppendHeader(s.out, 'P', s.req.header.BodyLen()-len(name)+len(on))
	s.out = append(append(s.out, on...), 0)
	return pgwire.HeaderSize + len(name) + 1, nil
}

func (s *Session) bigBind(body []byte) (int, error) {
	portal, rest, err := pgwire.CString(body)
	name, _, err2 := pgwire.CString(rest)
	if err != nil || err2 != nil {
		return 0, violation("invalid Bind message")
	}
	if p := s.names.get(name); p != nil && !p.doubtful && p.stmt.facts != tooLong {
		s.req.facts, s.req.names = s.req.facts[:0], s.req.names[:0]
		s.addFacts(p.stmt.facts)
	}
	s.note()
	on, err := s.serverName(name)
	if err != nil {
		return 0, err
	}
	s.led.sent(owed{kind: owedBind, now: s.names.get(name), taken: on, stale: on == staleName})
	if on == "" {
		on = string(name)
	}
	s.out = pgwire.AppendHeader(s.out, 'B', s.req.header.BodyLen()-len(name)+len(on))
	s.out = append(append(s.out, portal...), 0)
	s.out = append(append(s.out, on...), 0)
	return pgwire.HeaderSize + len(portal) + 1 + len(name) + 1, nil
}

// passOn forwards n more bytes from the client as they come.
func (s *Session) passOn(ctx context.Context, n int) error {
	for n > 0 {
		buf := s.client.Buffered()
		if len(buf) == 0 {
			s.client.SetLimit(pgwire.WindowSize)
			err := s.fillClient(ctx)
			s.client.SetLimit(window)
			if err != nil {
				return err
			}
			continue
		}
		buf = buf[:min(n, len(buf))]
		s.readLong(buf, len(buf) == n)
		if err := s.writeStream(buf); err != nil {
			return err
		}
		s.client.Discard(len(buf))
		n -= len(buf)
	}
	return nil
}

// writeStream writes a part of something long and takes what the server has to say on the way.
func (s *Session) writeStream(b []byte) error {
	n, err := s.conn.Wire.TryWrite(b)
	if errors.Is(err, pgwire.ErrWouldBlock) {
		return s.writeBeside(b[n:])
	}
	if err != nil {
		return s.lost(err)
	}
	return nil
}

// swallowBig reads a large message that nobody will get.
func (s *Session) swallowBig(ctx context.Context) error {
	for n := s.req.header.Len; n > 0; {
		buf := s.client.Buffered()
		if len(buf) == 0 {
			if err := s.fillClient(ctx); err != nil {
				return err
			}
			continue
		}
		used := min(n, len(buf))
		s.client.Discard(used)
		n -= used
	}
	return nil
}
