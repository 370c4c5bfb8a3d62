package proxy

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// leased is a session with a server connection that nobody reads from.
func leased() *Session {
	s := &Session{p: &Proxy{serverNames: serverNames{prefix: "p_"}}, base: backend.Empty}
	s.led.dropped = s.dropped
	s.led.reset()
	s.own.newLease()
	s.conn = &backend.Conn{Prepared: backend.NewPrepared(2)}
	return s
}

// received makes messages the session's request.
func (s *Session) received(messages ...[]byte) {
	q := &s.req
	q.reset()
	q.complete, q.raw = true, nil
	for _, m := range messages {
		q.frames = append(q.frames, frame{typ: m[0], off: len(q.raw), end: len(q.raw) + len(m)})
		q.raw = append(q.raw, m...)
	}
}

func stmtOf(id uint64, text string) *statement {
	return &statement{id: id, text: text, facts: &parser.Facts{Statements: []parser.Statement{{Kind: parser.Select}}}}
}

// sentTypes lists the messages that go to the server.
func sentTypes(t *testing.T, out []byte) (types string) {
	t.Helper()
	for len(out) > 0 {
		h, ok, err := pgwire.Peek(out)
		require.NoError(t, err)
		require.True(t, ok)
		types += string(h.Type)
		out = out[h.Len:]
	}
	return types
}

func TestTranslateAllocatesNothingInTheSteadyState(t *testing.T) {
	s := leased()
	st := stmtOf(1, "select 1")
	shape := &backend.Shape{}
	s.names.set("s", &prepared{stmt: st, shape: shape})
	s.conn.Prepared.Add(1, "p_1")
	s.conn.Prepared.Copy(1).Shape = shape
	s.received(pgwire.AppendBind(nil, "", "s", noParameters), pgwire.AppendExecute(nil, "", 0), pgwire.AppendSync(nil))
	s.req.frames[0].stmt = st
	s.req.facts = append(s.req.facts, st.facts)
	round := func() {
		s.out = s.out[:0]
		if err := s.translate(); err != nil {
			t.Fatal(err)
		}
		for _, typ := range []byte("2CZ") {
			if _, _, ok := s.led.received(typ, 'I'); !ok {
				t.Fatalf("%q was not expected", typ)
			}
		}
	}
	round()
	require.Equal(t, "BES", sentTypes(t, s.out))
	require.Zero(t, testing.AllocsPerRun(100, round))
}

// Whose Close the server has ignored stays to be closed.
func TestIgnoredCloseIsMadeUpFor(t *testing.T) {
	s := leased()
	for id, name := range []string{"", "p_a", "p_b"} {
		s.conn.Prepared.Add(uint64(id), name)
	}
	s.received(pgwire.AppendBind(nil, "", "missing", noParameters), pgwire.AppendParse(nil, "new", "select 3", nil), pgwire.AppendSync(nil))
	s.req.frames[1].stmt = stmtOf(3, "select 3")
	require.NoError(t, s.translate())
	require.Equal(t, "BCPDS", sentTypes(t, s.out), "the Parse evicts one")
	_, _, ok := s.led.received('E', 0)
	require.True(t, ok)
	require.Len(t, s.conn.Strays, 2, "the evicted one, which is still there, and the new one, of which nobody knows")
	require.Contains(t, s.conn.Strays, "p_a")
	require.Nil(t, s.names.get([]byte("new")))
	_, _, ok = s.led.received('Z', 'I')
	require.True(t, ok)

	s.out = s.out[:0]
	s.received(pgwire.AppendSync(nil))
	require.NoError(t, s.translate())
	require.Equal(t, "CCS", sentTypes(t, s.out))
	require.Empty(t, s.conn.Strays)
}

func TestFits(t *testing.T) {
	a, b := &backend.Shape{Params: "a"}, &backend.Shape{Params: "b"}
	for _, c := range []struct {
		name string
		copy backend.Copy
		mine prepared
		want bool
	}{
		{"the same shape", backend.Copy{Mark: 1, Shape: a}, prepared{parsed: 1, shape: a}, true},
		{"an equal one", backend.Copy{Mark: 1, Shape: &backend.Shape{Params: "a"}}, prepared{parsed: 1, shape: a}, true},
		{"newer, unchanged", backend.Copy{Mark: 2, Shape: a}, prepared{parsed: 1, shape: a}, true},
		{"another shape", backend.Copy{Mark: 1, Shape: b}, prepared{parsed: 1, shape: a}, false},
		{"from before the client's Parse", backend.Copy{Mark: 1, Shape: a}, prepared{parsed: 2, shape: a}, false},
		{"not learnt yet", backend.Copy{Mark: 1}, prepared{parsed: 1, shape: a}, true},
		{"not learnt here", backend.Copy{Mark: 1, Shape: a}, prepared{parsed: 1}, true},
	} {
		require.Equal(t, c.want, fits(&c.copy, &c.mine), c.name)
	}
}

func TestMayDiffer(t *testing.T) {
	shape := &backend.Shape{}
	for _, c := range []struct {
		name   string
		change func(s *Session, p *prepared)
		copied *backend.Copy
		want   bool
	}{
		{name: "nothing came by", change: func(*Session, *prepared) {}},
		{name: "DDL came by", change: func(s *Session, _ *prepared) { s.p.generation.Add(1) }, want: true},
		{name: "DDL in this transaction", change: func(s *Session, _ *prepared) { s.ddl = true }, want: true},
		{name: "another search_path", change: func(s *Session, _ *prepared) { s.searchPath = "other" }, want: true},
		{name: "the shape is not known", change: func(s *Session, p *prepared) { s.ddl, p.shape = true, nil }},
		{name: "the transaction has failed", change: func(s *Session, _ *prepared) { s.ddl, s.led.status = true, 'E' }},
		{name: "another session sees it differently", change: func(*Session, *prepared) {}, copied: &backend.Copy{Shape: &backend.Shape{Params: "x"}}, want: true},
		{name: "no server has seen the Parse", change: func(_ *Session, p *prepared) { p.believed = true }, copied: &backend.Copy{Shape: &backend.Shape{Params: "x"}}},
	} {
		s := leased()
		p := s.newPrepared(stmtOf(1, "select 1"))
		p.shape = shape
		c.change(s, p)
		require.Equal(t, c.want, s.mayDiffer(c.copied, p), c.name)
	}
}

// What must not change is names, types and modifiers; tables, column numbers, sizes and formats may.
func TestShapeOfARowDescription(t *testing.T) {
	column := func(name string, table uint32, number uint16, typ uint32, size uint16, modifier uint32, format uint16) []byte {
		b := append([]byte{0, 1}, name...)
		b = binary.BigEndian.AppendUint32(append(b, 0), table)
		b = binary.BigEndian.AppendUint16(b, number)
		b = binary.BigEndian.AppendUint32(b, typ)
		b = binary.BigEndian.AppendUint16(b, size)
		b = binary.BigEndian.AppendUint32(b, modifier)
		return binary.BigEndian.AppendUint16(b, format)
	}
	of := func(body []byte) string { return string(appendColumns(nil, pgwire.MsgRowDescription, body)) }
	base := of(column("a", 100, 1, 23, 4, 7, 0))
	require.Equal(t, base, of(column("a", 200, 2, 23, 8, 7, 1)))
	require.NotEqual(t, base, of(column("b", 100, 1, 23, 4, 7, 0)))
	require.NotEqual(t, base, of(column("a", 100, 1, 25, 4, 7, 0)))
	require.NotEqual(t, base, of(column("a", 100, 1, 23, 4, 8, 0)))
	require.NotEqual(t, base, of([]byte{0, 0}))
	body := column("a", 100, 1, 23, 4, 7, 0)
	for n := range body {
		of(body[:n]) // cut off anywhere: no panic
	}
}

// DEALLOCATE ALL in the middle of a pipeline: what was parsed behind it stays.
func TestPlansGone(t *testing.T) {
	s := leased()
	before, after := s.newPrepared(stmtOf(1, "a")), s.newPrepared(stmtOf(2, "b"))
	s.names.set("before", before)
	s.names.set("closed", before)
	s.names.set("after", after)
	s.conn.Prepared.Add(1, "p_1")
	s.conn.Prepared.Add(2, "p_2")
	s.conn.Strays = []string{"p_0"}
	s.led.sent(owed{kind: owedParse, undo: undoName, name: "after", now: after, taken: "p_2"})
	s.led.sent(owed{kind: owedParse, undo: undoName, name: "closed", now: after, taken: "p_2"})
	s.led.sent(owed{kind: owedClose, undo: undoName, name: "closed", prev: after})
	s.plansGone()
	require.Nil(t, s.names.get([]byte("before")))
	require.Nil(t, s.names.get([]byte("closed")))
	require.Same(t, after, s.names.get([]byte("after")))
	require.Nil(t, s.conn.Prepared.Copy(1))
	require.Equal(t, "p_2", s.conn.Prepared.Copy(2).Name)
	require.Empty(t, s.conn.Strays)
}

// What SQL has dropped is forgotten; what was not on the server is not.
func TestAdoptNames(t *testing.T) {
	s := leased()
	s.own.active = true
	for _, name := range []string{"kept", "dropped", "replaced", "elsewhere"} {
		p := s.newPrepared(stmtOf(1, name))
		if name != "elsewhere" {
			p.own = s.own.lease
		}
		p.doubtful = true
		s.names.set(name, p)
	}
	row := func(name, fromSQL string) [][]byte { return [][]byte{[]byte(name), []byte(fromSQL)} }
	s.adoptNames(table{row("kept", "f"), row("replaced", "t"), row("never ours", "f")})
	require.Len(t, s.names.named, 2)
	require.False(t, s.names.get([]byte("kept")).doubtful)
	require.NotNil(t, s.names.get([]byte("elsewhere")))
	s.leaveOwnNames()
	require.Equal(t, []string{"kept"}, s.conn.Strays)
	require.False(t, s.own.has(s.names.get([]byte("kept"))))
}

func TestRebased(t *testing.T) {
	s := leased()
	facts := func(st parser.Statement) *parser.Facts { return &parser.Facts{Statements: []parser.Statement{st}} }
	reset := facts(parser.Statement{Kind: parser.Reset, Setting: &parser.Setting{Name: "work_mem", Default: true}})
	require.Nil(t, s.rebased(reset), "the start-up packet asked for nothing")
	s.base = backend.Empty.With("work_mem", "1MB").With("datestyle", "German")
	require.Same(t, backend.Empty.With("work_mem", "1MB"), s.rebased(reset))
	require.Same(t, s.base, s.rebased(facts(parser.Statement{Kind: parser.Reset, Setting: &parser.Setting{All: true, Default: true}})))
	require.Same(t, s.base, s.rebased(facts(parser.Statement{Kind: parser.Discard, Object: "all"})))
	for _, st := range []parser.Statement{
		{Kind: parser.Discard, Object: "plans"},
		{Kind: parser.Show, Setting: &parser.Setting{All: true}},
		{Kind: parser.Set, Setting: &parser.Setting{Name: "work_mem", Values: []string{"2MB"}}},
		{Kind: parser.Set, Setting: &parser.Setting{Name: "work_mem", Default: true, Local: true}},
		{Kind: parser.Reset, Setting: &parser.Setting{Name: "timezone", Default: true}},
	} {
		require.Nil(t, s.rebased(facts(st)), st.Kind)
	}
}
