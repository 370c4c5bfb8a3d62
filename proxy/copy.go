package proxy

import (
	"context"
	"errors"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// copyIn forwards COPY data until the client ends it or the server does not want it any more.
func (s *Session) copyIn(ctx context.Context) error {
	s.client.Discard(len(s.req.raw)) // the request itself is done with
	s.req.raw = nil
	for s.led.copyIn {
		run, left, last, err := copyRun(s.client.Buffered())
		switch {
		case err != nil:
			return errGone
		case run > 0:
			if err := s.writeStream(s.client.Buffered()[:run]); err != nil {
				return err
			}
			s.client.Discard(run)
			if err := s.passOn(ctx, left); err != nil {
				return err
			}
		case last == 'X':
			return s.terminateCopy()
		}
		if last == 'c' || last == 'f' {
			s.led.copyIn = false
			return nil
		}
		if len(s.client.Buffered()) < pgwire.HeaderSize {
			if err := s.drain(); err != nil {
				return err
			}
			if err := s.fillCopy(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// terminateCopy passes on a good-bye that comes among the data. PostgreSQL has something to say about that.
func (s *Session) terminateCopy() error {
	if err := s.conn.Wire.Write(pgwire.AppendTerminate(nil)); err != nil {
		return errTerminate
	}
	for {
		if err := s.answers(); err != nil {
			return err
		}
		if err := s.flushAnswers(); err != nil {
			return err
		}
		if err := s.conn.Reader.Fill(); err != nil && !errors.Is(err, pgwire.ErrWoken) {
			return errTerminate
		}
	}
}

// fillCopy parks until the client sends more data or the server does not want any: the watcher looks at it meanwhile.
func (s *Session) fillCopy(ctx context.Context) error {
	s.waitFor(stateClient)
	defer s.waitFor(stateServer)
	for s.led.copyIn {
		err := s.client.Fill()
		if !errors.Is(err, pgwire.ErrWoken) {
			return err
		}
		if err := s.woken(ctx); err != nil {
			return err
		}
	}
	return nil
}

// waitFor tells the watcher whom the session waits for while it carries out a request.
func (s *Session) waitFor(state sessionState) {
	s.mu.Lock()
	s.mu.state, s.mu.since = state, s.p.ticks.Load()
	s.mu.Unlock()
}

// copyRun says how many bytes of b belong to COPY as they are, how many of a message that begins there are still to come,
// and which message came last: it stops behind CopyDone and CopyFail and ahead of Terminate.
func copyRun(b []byte) (run, left int, last byte, err error) {
	for run < len(b) {
		h, ok, err := pgwire.Peek(b[run:])
		if err != nil || !ok {
			return run, 0, last, err
		}
		last = h.Type
		if last == 'X' {
			return run, 0, last, nil
		}
		if h.Len > len(b)-run {
			return len(b), h.Len - (len(b) - run), last, nil
		}
		run += h.Len
		if last == 'c' || last == 'f' {
			return run, 0, last, nil
		}
	}
	return run, 0, last, nil
}
