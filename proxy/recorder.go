package proxy

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// recorder copies a result on its way to the client. It gives up when the result gets too large.
type recorder struct {
	verdict cachepolicy.Verdict
	fence   store.Fence
	flight  *store.Flight
	formats []byte // result formats of the Bind; nil for text
	limit   int

	entry   store.Entry
	current *[]byte // where the bytes of the message under way go
	size    int
	failed  bool
}

// begin says which message the bytes that follow belong to.
func (r *recorder) begin(typ byte) {
	switch typ {
	case pgwire.MsgParameterDescription:
		r.current = &r.entry.ParameterDescription
	case pgwire.MsgRowDescription:
		r.current = &r.entry.RowDescription
		r.entry.RowDescription = r.entry.RowDescription[:0]
	case pgwire.MsgDataRow:
		r.current = &r.entry.Rows
		r.entry.RowCount++
	case pgwire.MsgCommandComplete:
		r.current = &r.entry.Tag
	case pgwire.MsgReadyForQuery:
		r.current = nil
	default: // an open set: nothing else belongs to a plain result
		r.current, r.failed = nil, true
	}
}

// add appends bytes of the message under way and reports whether recording goes on.
func (r *recorder) add(b []byte) bool {
	if r.current == nil {
		return !r.failed
	}
	if r.size += len(b); r.size > r.limit {
		return false
	}
	*r.current = append(*r.current, b...)
	return true
}

// recording reports whether the answer to this frame belongs to the result.
func (s *Session) recording(*frame) bool { return s.rec != nil }

// stopRecording gives the result up; who waits for it runs the query.
func (s *Session) stopRecording() {
	if s.rec == nil {
		return
	}
	s.rec.flight.Finish(nil, s.rec.fence)
	s.rec = nil
}

// keep stores a complete result and hands it to those who wait for the same.
func (s *Session) keep(ctx context.Context, elapsed time.Duration) {
	r := s.rec
	if r == nil {
		return
	}
	s.rec = nil
	if r.failed || len(r.entry.Tag) == 0 || !s.stillMeant(r) {
		r.flight.Finish(nil, r.fence)
		return
	}
	e := &r.entry
	e.Created, e.Cost = time.Now(), elapsed
	if s.source != nil {
		e.Position = store.Position{Timeline: s.source.Position.Timeline, LSN: uint64(s.source.Position.LSN)}
	}
	if len(e.RowDescription) > 0 && len(r.formats) > 0 {
		setFormats(e.RowDescription, r.formats)
	}
	outcome := s.p.store.Put(ctx, r.verdict.Key, e, r.fence, r.verdict.TTL)
	s.p.metrics.kept(outcome)
	r.flight.Finish(e, r.fence)
}

// stillMeant reports whether the names of the request stand for the tables that its result is to be kept for: a change of
// the schema may have come between the look at the catalog and the query.
func (s *Session) stillMeant(r *recorder) bool {
	n := s.p.catalog.Resolve(s.database, s.req.facts[0], s.searchPath, s.roleName())
	if n == s.req.names[0] {
		return true
	}
	u, ok := s.unit()
	if !ok || n == nil {
		return false
	}
	s.req.names[0] = n
	v := s.p.policy.Judge(s.cacheInput(&u, s.decided))
	return v.Mode == cachepolicy.Use && slices.Equal(v.Tables, r.verdict.Tables)
}

// setFormats writes the format codes into a RowDescription: one code for all columns, or one each. Describe of a statement
// does not know them, Describe of a portal does.
func setFormats(rowDescription, formats []byte) {
	if len(rowDescription) < pgwire.HeaderSize+2 {
		return
	}
	b := rowDescription[pgwire.HeaderSize:]
	columns := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	for i := range columns {
		_, rest, err := pgwire.CString(b)
		if err != nil || len(rest) < 18 {
			return
		}
		code := []byte{0, 0}
		switch {
		case len(formats) == 2:
			code = formats
		case len(formats) >= 2*(i+1):
			code = formats[2*i : 2*i+2]
		}
		copy(rest[16:18], code)
		b = rest[18:]
	}
}
