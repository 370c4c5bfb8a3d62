package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The codes of what a client or aioproxy sends. A capital letter is forwarded, '+' in front means that the answer is
// swallowed, '=' that it is made.
var sentCodes = map[byte]owedKind{
	'Q': owedQuery, 'P': owedParse, 'B': owedBind, 'D': owedDescribeStatement, 'd': owedDescribePortal, 'E': owedExecute,
	'C': owedClose, 'S': owedSync, 'F': owedFunction,
}

// TestLedger feeds codes. A step is what is sent ("> P B E S") or received ("< 1 2 C ZI"); behind a received code stands
// what is to become of it: nothing for forwarded, '+' for swallowed, '!' for a message that fits nothing.
func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name    string
		steps   []string
		dropped string // kinds in the order they were given up; '*' behind one that the server refused
		status  byte
		idle    bool
	}{
		{name: "simple query", steps: []string{"> Q", "< T D D C ZI"}, status: 'I', idle: true},
		{name: "simple query in a transaction", steps: []string{"> Q", "< C ZT"}, status: 'T'},
		{name: "empty query", steps: []string{"> Q", "< I ZI"}, status: 'I', idle: true},
		{name: "error in a simple query", steps: []string{"> Q", "< T D E ZI"}, status: 'I', idle: true},
		{name: "error in a failed block", steps: []string{"> Q", "< E ZE"}, status: 'E'},
		{name: "several queries", steps: []string{"> Q Q", "< C ZI", "< E ZI"}, status: 'I', idle: true},
		{name: "extended", steps: []string{"> P D B d E S", "< 1 t T 2 T D C ZI"}, status: 'I', idle: true},
		{name: "no data", steps: []string{"> P D S", "< 1 t n ZI"}, status: 'I', idle: true},
		{name: "suspended", steps: []string{"> B E E S", "< 2 D s D C ZI"}, status: 'I', idle: true},
		{name: "flush leaves it unsynced", steps: []string{"> P", "< 1"}, status: 'I'},
		{name: "injected messages", steps: []string{"> +Q +P B E S", "< C+ Z+I 1+ 2 C ZI"}, status: 'I', idle: true},
		{name: "error skips to Sync", steps: []string{"> P B E S", "< 1 E ZI"}, dropped: "EB*", status: 'I', idle: true},
		{name: "and no further", steps: []string{"> P B E S B E S", "< 1 E ZI 2 C ZI"}, dropped: "EB*", status: 'I', idle: true},
		{name: "error before the Sync is sent", steps: []string{"> P", "< E", "> B E", "> S", "< ZI"}, dropped: "P*BE", status: 'I', idle: true},
		{name: "a query while the server skips", steps: []string{"> B", "< E", "> Q", "> S", "< ZI"}, dropped: "B*Q", status: 'I', idle: true},
		{name: "error of a commit at Sync", steps: []string{"> S", "< E ZI"}, status: 'I', idle: true},
		{name: "copy in", steps: []string{"> Q", "< G C ZI"}, status: 'I', idle: true},
		{name: "copy out", steps: []string{"> Q", "< H d d c C ZI"}, status: 'I', idle: true},
		{name: "copy in, extended, its first Sync is ignored", steps: []string{"> P B E S", "< 1 2 G", "> S", "< C ZI"}, status: 'I', idle: true},
		{name: "copy in that fails", steps: []string{"> P B E", "< 1 2 G E", "> S", "< ZI"}, dropped: "E*", status: 'I', idle: true},
		{name: "function call", steps: []string{"> F", "< V ZT"}, status: 'T'},
		{name: "function call that fails", steps: []string{"> F", "< E ZI"}, status: 'I', idle: true},
		{name: "what nobody asked for", steps: []string{"< C!"}, status: 'I', idle: true},
		{name: "rows for a Parse", steps: []string{"> P S", "< D!"}, status: 'I'},
		{name: "ready too early", steps: []string{"> P S", "< Z!I"}, status: 'I'},
		{name: "bind complete for a query", steps: []string{"> Q", "< 2!"}, status: 'I'},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dropped strings.Builder
			l := ledger{status: 'I'}
			l.dropped = func(o owed, failed bool) {
				dropped.WriteByte(codeOf(o.kind))
				if failed {
					dropped.WriteByte('*')
				}
			}
			for _, step := range c.steps {
				for _, code := range strings.Fields(step[1:]) {
					if step[0] == '>' {
						feedSent(&l, code)
					} else {
						feedReceived(t, &l, code)
					}
				}
			}
			require.Equal(t, c.dropped, dropped.String())
			require.Equal(t, string(c.status), string(l.status))
			require.Equal(t, c.idle, l.idle())
		})
	}
}

func codeOf(kind owedKind) byte {
	for code, k := range sentCodes {
		if k == kind {
			return code
		}
	}
	return '?'
}

func feedSent(l *ledger, code string) {
	o := owed{}
	if code[0] == '+' {
		o.action, code = swallow, code[1:]
	}
	o.kind = sentCodes[code[0]]
	l.sent(o)
}

func feedReceived(t *testing.T, l *ledger, code string) {
	t.Helper()
	typ, want, wantOK := code[0], forward, true
	var status byte
	for _, c := range []byte(code[1:]) {
		switch c {
		case '+':
			want = swallow
		case '!':
			wantOK = false
		default:
			status = c
		}
	}
	act, _, ok := l.received(typ, status)
	require.Equal(t, wantOK, ok, code)
	if ok {
		require.Equal(t, want, act, code)
	}
}

// TestLedgerRestores checks that a name which several messages of one request gave meanings gets its first one back.
func TestLedgerRestores(t *testing.T) {
	first := &prepared{}
	n := names{}
	n.set("s", first)
	l := ledger{status: 'I'}
	l.dropped = func(o owed, _ bool) { n.set(o.name, o.prev) }
	l.sent(owed{kind: owedBind, name: "other"})
	for range 3 {
		next := &prepared{}
		l.sent(owed{kind: owedParse, name: "s", prev: n.get([]byte("s")), now: next})
		n.set("s", next)
	}
	l.sent(owed{kind: owedSync})
	_, _, ok := l.received('E', 0)
	require.True(t, ok)
	require.Same(t, first, n.get([]byte("s")))
	_, done, ok := l.received('Z', 'I')
	require.True(t, ok)
	require.NotNil(t, done)
	require.True(t, l.idle())
}

// TestLedgerKeepsItsQueue checks that a long pipeline leaves the ledger usable, and that reset forgets all of it.
func TestLedgerKeepsItsQueue(t *testing.T) {
	l := ledger{status: 'I'}
	for range 3 {
		for range 1000 {
			l.sent(owed{kind: owedBind})
			l.sent(owed{kind: owedExecute})
		}
		l.sent(owed{kind: owedSync})
		for i := range 1000 {
			_, done, ok := l.received('2', 0)
			require.True(t, ok && done != nil, fmt.Sprint(i))
			_, done, ok = l.received('C', 0)
			require.True(t, ok && done != nil, fmt.Sprint(i))
		}
		_, _, ok := l.received('Z', 'I')
		require.True(t, ok)
		require.True(t, l.idle())
	}
	l.sent(owed{kind: owedParse})
	l.reset()
	require.True(t, l.idle())
	require.Equal(t, byte('I'), l.status)
}

func TestLedgerAllocatesNothingInTheSteadyState(t *testing.T) {
	var l ledger
	l.reset()
	round := func() {
		l.sent(owed{kind: owedBind})
		l.sent(owed{kind: owedExecute})
		l.sent(owed{kind: owedSync})
		for _, typ := range []byte("2DCZ") {
			if _, _, ok := l.received(typ, 'I'); !ok {
				t.Fatalf("%q was not expected", typ)
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations per round", n)
	}
}
