package proxy

import (
	"context"
	"errors"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// window is how much of a request is looked at before it must be decided where it goes; a message that does not fit is
// streamed. It bounds a client's memory while its request is under way.
const window = 1 << 20

// frame is one whole message of a request, by its offsets in request.raw.
type frame struct {
	typ      byte
	off, end int
	stmt     *statement // Parse: what it prepares; Bind: what it binds, if known
}

// request is the frames up to a boundary: Query, Sync, Flush, FunctionCall. raw aliases the client's read buffer and is
// valid until the request is over.
type request struct {
	raw      []byte
	frames   []frame
	complete bool // ends in a boundary; otherwise the window was full before one came
	big      bool // nothing but the beginning of a message that is larger than the window
	header   pgwire.Header
	long     *longText // of a big one: its text, as far as it has come

	facts  []*parser.Facts
	names  []*catalog.Resolution
	binds  int
	simple bool // a single Query message
	moved  bool // a statement further ahead in it may change what names mean
}

// keepFrames is the length up to which a session keeps the lists between requests.
const keepFrames = 64

func (q *request) reset() {
	if cap(q.frames) > keepFrames {
		*q = request{}
		return
	}
	clear(q.frames) // do not keep statements alive
	clear(q.facts)
	clear(q.names)
	*q = request{frames: q.frames[:0], facts: q.facts[:0], names: q.names[:0]}
}

func (q *request) body(f *frame) []byte { return q.raw[f.off+5 : f.end] }

// boundary is the type of the last frame.
func (q *request) boundary() byte { return q.frames[len(q.frames)-1].typ }

func isBoundary(typ byte) bool {
	return typ == 'Q' || typ == 'S' || typ == 'H' || typ == 'F' || typ == 'X'
}

// known reports whether a client may send this type outside of start-up (documentation, "Message Formats").
func known(typ byte) bool {
	switch typ {
	case 'Q', 'P', 'B', 'D', 'E', 'C', 'S', 'H', 'F', 'X', 'd', 'c', 'f':
		return true
	}
	return false
}

// maxShort is what a message may measure that holds no data (PQ_SMALL_MESSAGE_LIMIT in libpq.h, and its type). PostgreSQL takes
// a longer one for a sign that the two sides do not understand each other any more, and closes without a word.
const maxShort = 1 + 10_000

func short(typ byte) bool {
	switch typ {
	case 'D', 'E', 'C', 'S', 'H', 'X', 'c', 'f':
		return true
	}
	return false
}

// preparesOnly reports whether the request parses, describes or closes and runs nothing.
func (q *request) preparesOnly() bool {
	for i := range q.frames {
		switch q.frames[i].typ {
		case 'P', 'D', 'C', 'S', 'H':
		default: // an open set
			return false
		}
	}
	return q.complete
}

// readRequest collects the next request. It parks until the client sends, holding no buffer.
func (s *Session) readRequest(ctx context.Context) error {
	q := &s.req
	q.reset()
	pos := 0
	for {
		buf := s.client.Buffered()
		for {
			h, ok, err := pgwire.Peek(buf[pos:])
			if err != nil {
				return errGone // as PostgreSQL's SocketBackend does, without a word
			}
			if !ok {
				break
			}
			if !known(h.Type) {
				return violation("invalid frontend message type %d", h.Type)
			}
			if short(h.Type) && h.Len > maxShort {
				return errGone
			}
			if pos+h.Len > len(buf) {
				if h.Len > window {
					return s.big(pos, buf, h)
				}
				break
			}
			if pos == 0 && (h.Type == 'd' || h.Type == 'c' || h.Type == 'f') {
				// The rest of a COPY that the server has given up; PostgresMain ignores it too.
				s.client.Discard(h.Len)
				buf = s.client.Buffered()
				continue
			}
			q.frames = append(q.frames, frame{typ: h.Type, off: pos, end: pos + h.Len})
			pos += h.Len
			if isBoundary(h.Type) {
				q.raw, q.complete = buf[:pos], true
				return nil
			}
		}
		if len(buf) >= window && len(q.frames) > 0 {
			q.raw = buf[:pos]
			return nil
		}
		switch err := s.fillRest(ctx); {
		case errors.Is(err, errPaused):
			q.raw = s.client.Buffered()[:pos]
			return nil
		case err != nil:
			return err
		}
	}
}

// errPaused ends a request that its client, having begun it, does not go on with. PostgreSQL reads every message as it comes:
// what it has against one, COPY that waits for data, and more rows than its buffer holds reach a client that has not sent a
// Sync or Flush.
var errPaused = errors.New("the client pauses within a request")

// fillRest parks until the client sends; if there are whole messages of a request already, not for long.
func (s *Session) fillRest(ctx context.Context) error {
	if len(s.req.frames) == 0 {
		return s.fillClient(ctx)
	}
	s.setPaused(s.p.ticks.Load())
	err := s.fillClient(ctx)
	s.setPaused(0)
	s.wakes.And(^wakePaused) // it may have come too late
	return err
}

func (s *Session) setPaused(since int64) {
	s.mu.Lock()
	s.mu.paused = since
	s.mu.Unlock()
}

// big ends a request before a message that does not fit: what came before it goes first.
func (s *Session) big(pos int, buf []byte, h pgwire.Header) error {
	q := &s.req
	if pos > 0 {
		q.raw = buf[:pos]
		return nil
	}
	q.big, q.header, q.raw = true, h, buf
	return nil
}

// inspect finds out what the request's statements are.
func (s *Session) inspect() {
	q := &s.req
	for i := range q.frames {
		f := &q.frames[i]
		switch f.typ {
		case 'Q':
			text, err := pgwire.QueryText(q.body(f))
			if err != nil {
				s.addFacts(unknownStatement)
				continue
			}
			q.simple = len(q.frames) == 1
			s.addFacts(s.factsOf(text))
		case 'P':
			m, err := pgwire.DecodeParse(q.body(f))
			if err != nil {
				f.stmt = malformed
				continue
			}
			f.stmt = s.p.statements.intern(&s.key, m.SQL, m.OIDs, byte(s.lexing()), s.factsOf)
		case 'B':
			m, err := pgwire.DecodeBind(q.body(f))
			if err != nil {
				s.addFacts(unknownStatement)
				continue
			}
			q.binds++
			if f.stmt = q.meaning(s, i, m.Statement); f.stmt != nil {
				s.addFacts(f.stmt.facts)
			} else {
				s.addFacts(unknownStatement)
			}
		}
	}
}

// unknownStatement stands for what a name that aioproxy has not seen may mean: SQL PREPARE, or an error.
var unknownStatement = &parser.Facts{Reason: "name", Normalized: "<unknown statement>", Statements: []parser.Statement{{Kind: parser.Execute}}}

// malformed is what a Parse message prepares whose body is wrong: nothing. It is passed on, for PostgreSQL to refuse.
var malformed = &statement{facts: unknownStatement}

// meaning is the statement that a name stands for at frame i: a Parse earlier in the same request counts.
func (q *request) meaning(s *Session, i int, name []byte) *statement {
	for j := i - 1; j >= 0; j-- {
		if q.frames[j].typ != 'P' {
			continue
		}
		if n, _, err := pgwire.CString(q.body(&q.frames[j])); err == nil && string(n) == string(name) {
			return q.frames[j].stmt
		}
	}
	if p := s.names.get(name); p != nil && !p.doubtful {
		return p.stmt
	}
	return nil
}

// factsOf knows what a text of this session is.
func (s *Session) factsOf(text []byte) *parser.Facts { return s.p.memo.FactsAs(text, s.lexing()) }

func (s *Session) addFacts(f *parser.Facts) {
	s.req.facts = append(s.req.facts, f)
	var n *catalog.Resolution
	moves := movesPath(f)
	s.req.moved = s.req.moved || moves && len(f.Statements) > 1
	if !s.pathUnsure && !s.req.moved {
		n = s.p.catalog.Resolve(s.database, f, s.searchPath, s.roleName())
	}
	s.req.names = append(s.req.names, n)
	s.req.moved = s.req.moved || moves
}

// movesPath reports whether behind this text names may mean something else.
func movesPath(f *parser.Facts) bool {
	for i := range f.Statements {
		st := &f.Statements[i]
		if set := st.Setting; set != nil && st.Kind != parser.Show && (set.All || movesNames(set.Name)) {
			return true
		}
		if st.Kind == parser.Discard {
			return true
		}
		for _, c := range st.Configs {
			if c.Name == "" || movesNames(c.Name) {
				return true
			}
		}
	}
	return false
}

// describedLater reports whether the client itself asks behind frame i what it has prepared there.
func (q *request) describedLater(i int, name []byte) bool {
	for j := i + 1; j < len(q.frames); j++ {
		f := &q.frames[j]
		switch f.typ {
		case 'D':
			if object, n, err := pgwire.DecodeObject(q.body(f)); err == nil && object == 'S' && string(n) == string(name) {
				return true
			}
		case 'P', 'C', 'S':
			return false // the name may mean something else from here on
		}
	}
	return false
}

// usesLater reports whether the client describes the statement that it prepared at frame i, or binds it in the same request.
func (q *request) usesLater(i int, name []byte) bool {
	for j := i + 1; j < len(q.frames); j++ {
		f := &q.frames[j]
		if f.typ != 'B' {
			continue
		}
		if m, err := pgwire.DecodeBind(q.body(f)); err == nil && string(m.Statement) == string(name) {
			return true
		}
	}
	return q.describedLater(i, name)
}
