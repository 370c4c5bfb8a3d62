package proxy

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// The cases are those of pg_split_opts in PostgreSQL's postinit.c.
func TestSplitOptions(t *testing.T) {
	for options, want := range map[string][]string{
		"":                     nil,
		"   ":                  nil,
		"-c a=b":               {"-c", "a=b"},
		"  -c   a=b\t--c=d\n ": {"-c", "a=b", "--c=d"},
		`-c a=b\ c`:            {"-c", "a=b c"},
		`a\\b`:                 {`a\b`},
		`a\`:                   {"a"},
		`\`:                    {""},
		`\ `:                   {" "},
		"'a b'":                {"'a", "b'"},
	} {
		require.Equal(t, want, splitOptions(options), options)
	}
}

func TestOptionSettings(t *testing.T) {
	set, ok := optionSettings(`-c search_path=a,b --work-mem=8MB -cDateStyle=German -c x.y=a\ b -c e=`)
	require.True(t, ok)
	want := map[string]string{"search_path": "a,b", "work_mem": "8MB", "datestyle": "German", "x.y": "a b", "e": ""}
	got := map[string]string{}
	set.Each(func(name, value string) { got[name] = value })
	require.Equal(t, want, got)
	for _, other := range []string{"-c", "-c a", "--a", "a=b", "-d 3", "--", "-c =1", "--a=1 -e"} {
		_, ok := optionSettings(other)
		require.False(t, ok, other)
	}
}

func TestStartupSettings(t *testing.T) {
	set, ok := startupSettings(&pgwire.Startup{Params: []pgwire.Param{
		{Name: "user", Value: "u"}, {Name: "work_mem", Value: "1MB"}, {Name: "options", Value: "-c work_mem=2MB -c a=1"}, {Name: "Work_Mem", Value: "3MB"},
	}})
	require.True(t, ok)
	require.Equal(t, 2, set.Len())
	v, _ := set.Get("work_mem")
	require.Equal(t, "3MB", v, "a parameter of its own wins, the last one of them")
}

func TestCopyRun(t *testing.T) {
	data := func(n int) []byte { return append(pgwire.AppendHeader(nil, 'd', n), make([]byte, n)...) }
	header := func(typ byte) []byte { return pgwire.AppendHeader(nil, typ, 0) }
	for _, c := range []struct {
		name      string
		b         []byte
		run, left int
		last      byte
		bad       bool
	}{
		{name: "nothing"},
		{name: "part of a header", b: data(3)[:4]},
		{name: "whole messages", b: append(data(3), data(4)...), run: 17, last: 'd'},
		{name: "the beginning of one", b: append(data(3), data(4)[:6]...), run: 14, left: 3, last: 'd'},
		{name: "a header alone", b: data(10)[:5], run: 5, left: 10, last: 'd'},
		{name: "stops behind CopyDone", b: append(append(data(1), header('c')...), data(1)...), run: 11, last: 'c'},
		{name: "stops behind CopyFail", b: append(header('f'), data(1)...), run: 5, last: 'f'},
		{name: "stops ahead of Terminate", b: append(data(1), header('X')...), run: 6, last: 'X'},
		{name: "a length that cannot be", b: []byte{'d', 0, 0, 0, 1, 0}, bad: true},
	} {
		run, left, last, err := copyRun(c.b)
		if c.bad {
			require.Error(t, err, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		require.Equal(t, []any{c.run, c.left, c.last}, []any{run, left, last}, c.name)
	}
}

func TestSetFormats(t *testing.T) {
	make3 := func() []byte {
		return pgwire.AppendRowDescription(nil, []pgwire.Column{{Name: "a", TypeOID: 23}, {Name: "long name", TypeOID: 25}, {Name: "", TypeOID: 20}})
	}
	codes := func(rd []byte) string {
		var out []byte
		b := rd[pgwire.HeaderSize+2:]
		for len(b) > 0 {
			_, rest, err := pgwire.CString(b)
			require.NoError(t, err)
			out = append(out, '0'+rest[17])
			b = rest[18:]
		}
		return string(out)
	}
	for formats, want := range map[string]string{"": "000", "\x00\x01": "111", "\x00\x01\x00\x00\x00\x01": "101", "\x00\x00\x00\x01": "010"} {
		rd := make3()
		setFormats(rd, []byte{0, 1})
		setFormats(rd, []byte(formats))
		require.Equal(t, want, codes(rd), "%q", formats)
	}
	for n := range make3() {
		setFormats(make3()[:n], []byte{0, 1}) // cut off anywhere: no panic
	}
}

func TestRecorder(t *testing.T) {
	r := &recorder{limit: 20}
	for _, m := range []struct {
		typ  byte
		body string
	}{{'T', "desc"}, {'D', "row1"}, {'D', "row2"}, {'C', "tag"}, {'Z', "ready"}} {
		r.begin(m.typ)
		require.True(t, r.add([]byte(m.body)))
	}
	require.Equal(t, "desc", string(r.entry.RowDescription))
	require.Equal(t, "row1row2", string(r.entry.Rows))
	require.Equal(t, "tag", string(r.entry.Tag))
	require.EqualValues(t, 2, r.entry.RowCount)
	r.begin('D')
	require.False(t, r.add([]byte("too much")), "larger than the limit")

	r = &recorder{limit: 100}
	r.begin('T')
	r.add([]byte("first"))
	r.begin('T') // of a Describe of the portal, behind one of the statement
	r.add([]byte("second"))
	require.Equal(t, "second", string(r.entry.RowDescription))
	r.begin('G')
	require.False(t, r.add([]byte("x")), "COPY is no result to keep")
}

func TestIntern(t *testing.T) {
	var in interned
	var key []byte
	calls := 0
	facts := func([]byte) *parser.Facts { calls++; return &parser.Facts{} }
	a := in.intern(&key, []byte("select 1"), nil, 0, facts)
	b := in.intern(&key, []byte("select 1"), nil, 0, facts)
	require.Same(t, a, b)
	require.Equal(t, 1, calls)
	for _, other := range []*statement{
		in.intern(&key, []byte("select 2"), nil, 0, facts),
		in.intern(&key, []byte("select 1"), []byte{0, 0, 0, 23}, 0, facts),
		in.intern(&key, []byte("select 1"), nil, 1, facts),
	} {
		require.NotSame(t, a, other)
		require.NotEqual(t, a.id, other.id)
	}
	// Types and text cannot be taken for each other.
	x := in.intern(&key, []byte("bcd"), []byte("a000"), 0, facts)
	require.Equal(t, "bcd", x.text)
	require.Equal(t, "a000", x.types)
}

func TestNames(t *testing.T) {
	var n names
	p, q := &prepared{}, &prepared{}
	require.Nil(t, n.get([]byte("a")))
	n.set("", p)
	n.set("a", q)
	require.Same(t, p, n.get(nil))
	require.Same(t, q, n.get([]byte("a")))
	require.Equal(t, "a", n.nameOf(q))
	n.set("a", nil)
	require.Nil(t, n.get([]byte("a")))
	require.False(t, n.large())
	n.set("b", &prepared{large: true})
	require.True(t, n.large())
	n.set("b", nil)
	n.set("", &prepared{large: true})
	require.True(t, n.large())
}

func TestServerNames(t *testing.T) {
	s := serverNames{prefix: "p_"}
	seen := map[string]bool{}
	for range 1000 {
		name := s.fresh()
		require.True(t, strings.HasPrefix(name, "p_"))
		require.False(t, seen[name])
		seen[name] = true
	}
}

func TestUnitOrder(t *testing.T) {
	bind := "\x00\x00\x00\x00\x00\x00\x00\x00"
	execute := "\x00\x00\x00\x00\x00"
	messages := map[byte]string{
		'P': "\x00select 1\x00\x00\x00", 'B': bind, 'D': "P\x00", 's': "S\x00", 'E': execute, 'e': "\x00\x00\x00\x00\x05", 'S': "", 'H': "", 'b': "portal\x00\x00\x00\x00\x00\x00\x00\x00",
	}
	for order, want := range map[string]bool{
		"PBES": true, "PBDES": true, "PsBDES": true, "BES": true, "BDES": true, "sBES": true,
		"PBE": false, "PBEH": false, "PBeS": false, "PBEES": false, "BBES": false, "PbES": false, "PBS": false, "PS": false, "BPES": false, "DES": false,
	} {
		s := &Session{}
		stmt := &statement{text: "select 1", facts: &parser.Facts{}}
		q := &s.req
		q.complete, q.facts = true, []*parser.Facts{stmt.facts}
		for _, code := range []byte(order) {
			typ := strings.ToUpper(string(code))[0]
			if code == 's' {
				typ = 'D'
			}
			at := len(q.raw)
			q.raw = append(append(q.raw, typ, 0, 0, 0, 0), messages[code]...)
			f := frame{typ: typ, off: at, end: len(q.raw)}
			if typ == 'P' || typ == 'B' {
				f.stmt = stmt
			}
			q.frames = append(q.frames, f)
		}
		_, ok := s.unit()
		require.Equal(t, want, ok, order)
	}
}

func TestFailures(t *testing.T) {
	require.Equal(t, "57P03", asFailure(errors.New("anything")).code)
	require.NotContains(t, asFailure(errors.New("secret")).message, "secret")
	f := &failure{code: "12345", message: "m", detail: "d", hint: "h"}
	require.Same(t, f, asFailure(f))
	e, err := pgwire.DecodeError(f.append(nil, "FATAL")[pgwire.HeaderSize:])
	require.NoError(t, err)
	require.Equal(t, &pgwire.ErrorFields{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "12345", Message: "m", Detail: "d", Hint: "h"}, e)
}

func TestPins(t *testing.T) {
	for r := range pinReasons {
		require.NotEmpty(t, r.String())
	}
	require.True(t, stickyPins.has(pinSeed))
	require.False(t, stickyPins.has(pinTemporary))
	require.Equal(t, "temporary_table, setseed", pinSet(1<<pinSeed|1<<pinTemporary).String())
	require.Empty(t, pinSet(0).String())
}

func TestTouchedQuery(t *testing.T) {
	require.Equal(t, `SELECT pg_catalog.current_setting(E'work_mem', true), pg_catalog.current_setting(E'a.''b\\', true)`,
		touchedQuery([]string{"work_mem", `a.'b\`}))
}

func TestLexing(t *testing.T) {
	require.Equal(t, parser.Lexing(0), lexingOf("on", "UTF8"))
	require.Equal(t, parser.BackslashStrings, lexingOf("off", ""))
	require.Equal(t, parser.UnsafeEncoding, lexingOf("", "shift_jis"))
	require.Equal(t, parser.UnsafeEncoding|parser.BackslashStrings, lexingOf("NO", "GB18030"))
}
