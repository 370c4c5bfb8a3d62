package parser

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

// Analyzer finds out what a text is. For a text that it does not understand it returns an *OpaqueError. It is safe for
// concurrent use.
type Analyzer interface {
	Analyze(sql string) (*Facts, error)
}

// Lexing says where a session reads text otherwise than by the defaults.
type Lexing uint8

// The differences that matter; they may be combined.
const (
	BackslashStrings Lexing = 1 << iota // standard_conforming_strings is off
	UnsafeEncoding                      // client_encoding is BIG5, GB18030, GBK, JOHAB, SJIS, SHIFT_JIS_2004 or UHC
)

// Memo knows the facts of texts that it has seen, and of texts that differ from those only in literals. It is safe for
// concurrent use and bounded by its Config.
type Memo struct {
	analyzer Analyzer
	maxText  int
	exact    *table
	shared   *table // by key, see appendKey
	flights  singleflight.Group
	buffers  sync.Pool // of *[]byte, for keys
	seen     [1 << 12]atomic.Uint64
	counts   struct{ exact, shared, parsed, opaque atomic.Uint64 }
}

// Stats says how the memo does. Counts are since the start.
type Stats struct {
	Entries, Bytes                int
	Exact, Shared, Parsed, Opaque uint64
}

// NewMemo returns an empty memo.
func NewMemo(cfg Config, a Analyzer) *Memo {
	half := int(cfg.MaxBytes / 2)
	return &Memo{
		analyzer: a,
		maxText:  int(cfg.MaxTextBytes),
		exact:    newTable(cfg.MaxEntries, half),
		shared:   newTable(cfg.MaxEntries, half),
		buffers:  sync.Pool{New: func() any { return new([]byte) }},
	}
}

// Facts returns what the text is, for a session that reads text by PostgreSQL's defaults. It is never nil, and shared:
// the caller may not change it. The memo does not keep sql.
func (m *Memo) Facts(sql []byte) *Facts {
	hash := m.exact.hash(sql)
	if f := m.exact.get(hash, sql); f != nil {
		m.counts.exact.Add(1)
		return f
	}
	return m.miss(hash, sql)
}

// FactsAs is Facts for a session that reads text otherwise. Where that may make a difference the text is opaque.
func (m *Memo) FactsAs(sql []byte, l Lexing) *Facts {
	if l&UnsafeEncoding != 0 && !ascii(sql) {
		return OpaqueFacts(sql, ReasonEncoding)
	}
	if l&BackslashStrings != 0 && plainBackslash(sql) {
		return OpaqueFacts(sql, ReasonEscapes)
	}
	return m.Facts(sql)
}

// Stats returns sizes and counts.
func (m *Memo) Stats() Stats {
	e1, b1 := m.exact.stats()
	e2, b2 := m.shared.stats()
	c := &m.counts
	return Stats{e1 + e2, b1 + b2, c.exact.Load(), c.shared.Load(), c.parsed.Load(), c.opaque.Load()}
}

func (m *Memo) miss(hash uint64, sql []byte) *Facts {
	switch {
	case len(sql) > m.maxText:
		return m.long(sql)
	case bytes.IndexByte(sql, 0) >= 0:
		return m.opaque(sql, ReasonNUL)
	}
	buffer := m.buffers.Get().(*[]byte)
	defer m.buffers.Put(buffer)
	key, shares := appendKey((*buffer)[:0], sql)
	*buffer = key
	if shares {
		if f := m.shared.get(m.shared.hash(key), key); f != nil {
			m.counts.shared.Add(1)
			m.keepIfSeenAgain(hash, sql, f)
			return f
		}
	}
	if TooDeep(sql) {
		return m.opaque(sql, ReasonTooDeep)
	}
	f := m.parseOnce(string(sql))
	if f.Opaque() {
		return f
	}
	m.exact.put(hash, string(sql), f)
	if shares && shareable(f) {
		m.shared.put(m.shared.hash(key), string(key), f)
	}
	return f
}

// long collapses a text. What it is called by in the memo is the short text.
func (m *Memo) long(sql []byte) *Facts {
	c := m.Collapser(0)
	c.Write(sql)
	if f := m.Collapsed(c); f != nil {
		return f
	}
	return m.opaque(sql, ReasonTooLong)
}

// Collapser returns one for a text, of which the session that sends it reads as l says.
func (m *Memo) Collapser(l Lexing) *Collapser { return newCollapser(l, m.maxText) }

// Collapsed returns the facts of a text that was written to c to its end, or nil if it is not understood.
func (m *Memo) Collapsed(c *Collapser) *Facts {
	short, ok := c.text()
	if !ok || len(short) > m.maxText {
		return nil
	}
	if f := m.Facts(short); !f.Opaque() && shareable(f) {
		return f
	}
	return nil
}

// keepIfSeenAgain keeps texts that come back under their own name, and keeps those that come once, because their literals
// are written out, from pushing the others out. A wrong guess costs nothing but the next lookup by key.
func (m *Memo) keepIfSeenAgain(hash uint64, sql []byte, f *Facts) {
	slot := &m.seen[hash%uint64(len(m.seen))]
	if slot.Load() == hash {
		m.exact.put(hash, string(sql), f)
		return
	}
	slot.Store(hash)
}

// parseOnce parses a text once for all who ask for it at the same time.
func (m *Memo) parseOnce(sql string) *Facts {
	v, _, _ := m.flights.Do(sql, func() (any, error) {
		f, err := m.analyzer.Analyze(sql)
		if err == nil {
			m.counts.parsed.Add(1)
			return f, nil
		}
		reason := ReasonSyntax
		if opaque := (*OpaqueError)(nil); errors.As(err, &opaque) {
			reason = opaque.Reason
		}
		return m.opaque([]byte(sql), reason), nil
	})
	return v.(*Facts)
}

func (m *Memo) opaque(sql []byte, reason string) *Facts {
	m.counts.opaque.Add(1)
	return OpaqueFacts(sql, reason)
}

// shareable reports whether the facts hold for every text with the same key: no literal of such a statement is a name, an
// option or part of what a function does to the session.
func shareable(f *Facts) bool {
	s := f.Single()
	if s == nil || s.Into || s.Temp {
		return false
	}
	if s.Kind != Select && s.Kind != Insert && s.Kind != Update && s.Kind != Delete {
		return false
	}
	for _, n := range s.Functions {
		if literalMatters(n.Name) {
			return false
		}
	}
	return true
}

func ascii(sql []byte) bool {
	for _, c := range sql {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// plainBackslash reports whether a string without E has a backslash.
func plainBackslash(sql []byte) bool {
	if bytes.IndexByte(sql, '\\') < 0 {
		return false
	}
	l := lexer{s: sql}
	for t := l.next(); t.kind != tokEnd; t = l.next() {
		if t.backslash || t.kind == tokStrange {
			return true
		}
	}
	return false
}
