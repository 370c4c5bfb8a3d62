package proxy

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// PostgreSQL keeps what a prepared statement returned when it was parsed, and refuses it when that has changed ("cached plan
// must not change result type"). Here a statement may have to be parsed again, later than its client did, and such a copy
// would return anything. So the shape of each statement is learnt behind its Parse, and where the schema has changed since, a
// copy is compared with it before it is used.

// newPrepared is what the client's Parse of this moment means.
func (s *Session) newPrepared(st *statement) *prepared {
	now := usability{s.p.generation.Load(), s.searchPath}
	return &prepared{stmt: st, parsed: now.generation, path: now.path, usable: now}
}

// cacheable reports whether a cached result is sure to have the shape that the client knows. If not, a server is asked, and has
// the last word ("cached plan must not change result type").
func (s *Session) cacheable() bool {
	for i := range s.req.frames {
		f := &s.req.frames[i]
		switch f.typ {
		case 'P':
			return true // it is a statement of this moment
		case 'B':
			m, err := pgwire.DecodeBind(s.req.body(f))
			p := s.names.get(m.Statement)
			return err != nil || p == nil || p.shape == nil || p.usable == usability{s.p.generation.Load(), s.searchPath}
		}
	}
	return true
}

// believed is the same for a Parse that no server sees, because one has accepted it for another session.
func (s *Session) believed(st *statement) *prepared {
	p := s.newPrepared(st)
	p.believed = true
	if v := st.valid.Load(); v != nil && s.sameValidity(v) {
		p.shape = v.shape
	}
	return p
}

// types are those of the parameters: as PostgreSQL has found them, or as the client gave them.
func (p *prepared) types() []byte {
	if p.shape != nil {
		return bytesOf(p.shape.Params)
	}
	return bytesOf(p.stmt.types)
}

// current reports whether nothing came by since the client's Parse that may have changed what it means.
func (s *Session) current(p *prepared) bool {
	return p.parsed == s.p.generation.Load() && !s.ddl && p.path == s.searchPath && !s.pathUnsure
}

// fits reports whether a copy on the server is one that the client's own Parse could have made.
func fits(c *backend.Copy, p *prepared) bool {
	if c.Mark < p.parsed {
		return false
	}
	return c.Shape == p.shape || c.Shape == nil || p.shape == nil || *c.Shape == *p.shape
}

// mayDiffer reports whether a statement that is to be parsed once more, because no copy fits, may come out in another shape than
// the client knows, and whether this can be found out now.
func (s *Session) mayDiffer(c *backend.Copy, p *prepared) bool {
	if p.shape == nil || s.led.status == 'E' || s.led.skipping || s.led.copyIn || s.retry.discarding {
		return false
	}
	differs := c != nil && c.Mark >= p.parsed && !p.believed
	return differs || !s.current(p)
}

// check has a statement parsed and described once more, in a round trip of its own, and compares. made says that it is there
// and fits. If neither made nor stale, it is to be prepared as usual, and the server says what is wrong: the error of the
// Parse was the client's.
func (s *Session) check(p *prepared, prepare func(check bool)) (made, stale bool, err error) {
	if err := s.catchUp(); err != nil {
		return false, false, err
	}
	if s.led.status == 'E' || s.led.skipping || s.led.copyIn {
		return false, false, nil
	}
	s.checked = nil
	prepare(true)
	if err := s.catchUp(); err != nil || s.checked == nil {
		return false, false, err
	}
	same := *s.checked == *p.shape
	return same, !same, nil
}

// catchUp has the server carry out what was put together so far and takes its answers.
func (s *Session) catchUp() error {
	if len(s.out) == 0 && s.led.empty() {
		return nil
	}
	s.noteOnce()
	s.out = pgwire.AppendFlush(s.out)
	err := s.writeServer(s.out)
	s.out = s.out[:0]
	if err != nil {
		return err
	}
	return s.relay()
}

// noteOnce is note, unless it was done for this request.
func (s *Session) noteOnce() {
	if !s.noted {
		s.noted = true
		s.note()
	}
}

// describe asks for the shape of what was just parsed under a name.
func (s *Session) describe(o owed, name string) {
	o.kind, o.action = owedDescribeStatement, swallow
	s.led.sent(o)
	s.out = pgwire.AppendDescribe(s.out, 'S', name)
}

// learn takes a part of the answer to a Describe of a statement.
func (s *Session) learn(typ byte, body []byte, o *owed) {
	switch {
	case typ == pgwire.MsgParameterDescription && len(body) >= 2:
		s.params = append(s.params[:0], body[2:]...)
		return
	case typ != pgwire.MsgRowDescription && typ != pgwire.MsgNoData:
		return
	}
	s.key = appendColumns(append(s.key[:0], typ), typ, body)
	columns := sha256.Sum256(s.key)
	sh := o.now.stmt.shape.Load()
	if sh == nil || sh.Params != string(s.params) || sh.Columns != columns {
		sh = &backend.Shape{Params: string(s.params), Columns: columns}
		o.now.stmt.shape.Store(sh)
	}
	if o.check {
		s.checked = sh
	} else {
		o.now.shape = sh
		s.acceptedShape(o.now)
	}
	s.noteShape(o, sh)
}

// noteShape keeps the shape with the server's copy, if that is still the one which was described.
func (s *Session) noteShape(o *owed, sh *backend.Shape) {
	c := s.conn
	switch cp := c.Prepared.Copy(o.now.stmt.id); {
	case o.taken == "" && o.name == "" && c.Unnamed == o.now.stmt.id:
		c.UnnamedCopy.Shape = sh
	case cp != nil && cp.Name == o.taken:
		cp.Shape = sh
	}
}

// appendColumns appends of a RowDescription what must not change: names, types and type modifiers (equalTupleDescs in
// PostgreSQL's tupdesc.c; collations are compared there as well, but not told).
func appendColumns(dst []byte, typ byte, body []byte) []byte {
	if typ != pgwire.MsgRowDescription || len(body) < 2 {
		return dst
	}
	dst, body = append(dst, body[:2]...), body[2:]
	for len(body) > 0 {
		name, rest, err := pgwire.CString(body)
		if err != nil || len(rest) < 18 {
			return dst
		}
		dst = append(append(dst, name...), 0)
		dst = append(dst, rest[6:10]...)
		dst = append(dst, rest[12:16]...)
		body = rest[18:]
	}
	return dst
}

// fixedResult is what PostgreSQL says to a plan whose result has changed.
const fixedResult = "cached plan must not change result type"

// staleName is the name of no statement: the server's error about it stands for the one that PostgreSQL would have raised.
const staleName = "aioproxy stale"

// staleError turns the server's error about staleName into PostgreSQL's own. A Describe tells the parameters first
// (exec_describe_statement_message).
func (s *Session) staleError(raw []byte, head *owed) []byte {
	if head.kind == owedDescribeStatement && head.now.shape != nil {
		params := head.now.shape.Params
		s.say(func(dst []byte) []byte {
			n := binary.BigEndian.AppendUint16(nil, uint16(len(params)/4))
			return pgwire.AppendFrame(dst, pgwire.MsgParameterDescription, append(n, params...))
		})
	}
	return s.fixedResultError(raw)
}

// fixedResultError borrows the severity, which may be translated, from another error.
func (s *Session) fixedResultError(raw []byte) []byte {
	body := raw[pgwire.HeaderSize:]
	line := ""
	if n := s.p.plancacheLine.Load(); n > 0 {
		line = strconv.FormatInt(n, 10)
	}
	return pgwire.AppendErrorResponse(nil, &pgwire.ErrorFields{
		Severity: string(pgwire.ErrorField(body, 'S')), SeverityUnlocalized: string(pgwire.ErrorField(body, 'V')),
		Code: codeFeature, Message: fixedResult, File: "plancache.c", Line: line, Routine: "RevalidateCachedQuery",
	})
}

// learnLine remembers where in the servers' source PostgreSQL raises this error: it is part of what clients are told.
func (s *Session) learnLine(body []byte, code string) {
	if code != codeFeature || string(pgwire.ErrorField(body, 'M')) != fixedResult {
		return
	}
	if n, err := strconv.ParseInt(string(pgwire.ErrorField(body, 'L')), 10, 64); err == nil {
		s.p.plancacheLine.Store(n)
	}
}
