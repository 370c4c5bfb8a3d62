package proxy

import (
	"bytes"

	"github.com/aioproxy/aioproxy/parser"
)

// longText finds out what a text is that is passed on without being kept: of the Query or Parse message that is streamed.
type longText struct {
	collapser *parser.Collapser
	stmt      *statement // of a Parse
	over      bool       // its end was there
	behind    bool       // and something behind it
}

// readsLong has the text of the message read that is about to be streamed.
func (s *Session) readsLong(stmt *statement) {
	s.req.long = &longText{collapser: s.p.memo.Collapser(s.lexing()), stmt: stmt}
}

// readLong takes the next part of the message before it is written. With the last one it is known what the statement is: its
// effects are taken down before the server can begin with it.
func (s *Session) readLong(p []byte, last bool) {
	q := &s.req
	l := q.long
	if l == nil {
		return
	}
	l.read(p)
	if !last {
		return
	}
	q.long = nil
	f := s.p.memo.Collapsed(l.collapser)
	if l.stmt != nil {
		if f != nil && l.over {
			l.stmt.facts = f
		}
		return
	}
	if f != nil && l.over && !l.behind {
		q.facts, q.names = q.facts[:0], q.names[:0]
		s.addFacts(f)
	}
	s.note()
}

func (l *longText) read(p []byte) {
	if l.over {
		l.behind = l.behind || len(p) > 0
		return
	}
	if i := bytes.IndexByte(p, 0); i >= 0 {
		l.over, l.behind = true, i+1 < len(p)
		p = p[:i]
	}
	l.collapser.Write(p)
}
