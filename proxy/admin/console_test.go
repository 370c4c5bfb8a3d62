package admin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// fake is a Source with as many pins as a test wants.
type fake struct{ pins []Pin }

func (f fake) Version() string { return "aioproxy 1.2.3" }
func (f fake) Pins() []Pin     { return f.pins }

func somePins(n int) []Pin {
	pins := make([]Pin, n)
	for i := range pins {
		pins[i] = Pin{
			PID: uint32(i + 1), User: "u", Database: "d", Application: "a", Address: "1.2.3.4:5", Reason: "listen",
			Since: time.Date(2024, 2, 29, 12, 0, 0, 500000000, time.UTC), Node: "n:1", ServerPID: 7, State: "idle",
		}
	}
	return pins
}

// talk is a console whose answers are collected: one letter per message, with the text of the interesting ones.
type talk struct {
	t       *testing.T
	console *Console
	rights  Rights
	sent    []byte
	largest int
	fail    error
}

func newTalk(t *testing.T, from Source) *talk {
	k := &talk{t: t, rights: Everything}
	k.console = NewConsole(append(Commands(from), Command{Name: "PAUSE", Needs: Everything, Rows: func(func(...Value)) {}}), func(b []byte) error {
		k.sent = append(k.sent, b...)
		k.largest = max(k.largest, len(b))
		return k.fail
	})
	return k
}

func (k *talk) say(messages ...[]byte) string {
	k.t.Helper()
	k.sent = nil
	for _, m := range messages {
		require.NoError(k.t, k.console.Message(m[0], m[pgwire.HeaderSize:], k.rights))
	}
	require.NoError(k.t, k.console.Flush())
	return told(k)
}

func tell(t *testing.T, typ byte, body []byte) string {
	switch typ {
	case pgwire.MsgErrorResponse:
		e, err := pgwire.DecodeError(body)
		require.NoError(t, err)
		return "E:" + e.Code
	case pgwire.MsgCommandComplete:
		return "C:" + string(body[:len(body)-1])
	case pgwire.MsgDataRow:
		var values []string
		pgwire.EachColumn(body, func(v []byte) { values = append(values, string(v)) })
		return "D:" + strings.Join(values, "|")
	}
	return string(typ)
}

func (k *talk) query(text string) string { return k.say(pgwire.AppendQuery(nil, text)) }

func TestSimpleQueries(t *testing.T) {
	k := newTalk(t, fake{pins: somePins(1)})
	version := "T D:aioproxy 1.2.3 C:SHOW"
	for text, want := range map[string]string{
		"SHOW VERSION":                            version + " Z",
		"show\n\tVersion ; -- a comment":          version + " Z",
		"/* a /* nested */ one */ ShOw version;;": version + " Z",
		"SHOW VERSION; SHOW VERSION":              version + " " + version + " Z",
		"":                                        "I Z",
		" ; ;":                                    "I Z",
		"-- nothing":                              "I Z",
		"PAUSE":                                   "n C:PAUSE Z",
		"SHOW":                                    "E:42601 Z",
		"SHOW VERSION 2":                          "E:42601 Z",
		"SHOW 'VERSION'":                          "E:42601 Z",
		"SHOW VERSION; SELECT 1":                  "E:42601 Z",
		"SHOW 'unterminated":                      "E:42601 Z",
		"SHOW VERSION /* unterminated":            "E:42601 Z",
		"SHOW 'a;b'; SHOW VERSION":                "E:42601 Z",
		strings.Repeat("x", maxText+1):            "E:54000 Z",
	} {
		require.Equal(t, want, k.query(text), "%.40q", text)
	}
	require.Regexp(t, `^T D:1\|u\|d\|a\|1\.2\.3\.4:5\|listen\|2024-02-29 12:00:00\.5\+00\|\d+(\.\d+)?\|n:1\|7\|idle C:SHOW Z$`, k.query("SHOW PINS"))
}

func TestHelpListsEveryCommand(t *testing.T) {
	k := newTalk(t, fake{})
	help := k.query("SHOW HELP")
	for _, c := range Commands(fake{}) {
		require.Contains(t, help, "D:"+c.Name+"|"+c.Does)
		require.NotEmpty(t, c.Does)
		require.NotEmpty(t, c.Columns)
		require.Equal(t, strings.ToUpper(strings.Join(strings.Fields(c.Name), " ")), c.Name)
	}
	k.say(pgwire.AppendQuery(nil, "FROB"))
	h, _, err := pgwire.Peek(k.sent)
	require.NoError(t, err)
	e, err := pgwire.DecodeError(k.sent[pgwire.HeaderSize:h.Len])
	require.NoError(t, err)
	require.Equal(t, "It knows: SHOW HELP, SHOW PINS, SHOW VERSION, PAUSE.", e.Hint)
	require.NotContains(t, e.Message+e.Hint, "FROB", "a text may hold secrets")
}

func TestRights(t *testing.T) {
	k := newTalk(t, fake{})
	k.rights = Stats
	require.Equal(t, "E:42501 Z", k.query("PAUSE"))
	require.Equal(t, "T C:SHOW Z", k.query("SHOW PINS"))
	k.rights = Nothing
	require.Equal(t, "E:42501 Z", k.query("SHOW PINS"))
	k.rights = Everything
	require.Equal(t, "n C:PAUSE Z", k.query("PAUSE"))
}

func bind(portal, statement string, formats ...uint16) []byte {
	rest := binary.BigEndian.AppendUint16([]byte{0, 0, 0, 0}, uint16(len(formats)))
	for _, f := range formats {
		rest = binary.BigEndian.AppendUint16(rest, f)
	}
	return pgwire.AppendBind(nil, portal, statement, rest)
}

func TestExtendedProtocol(t *testing.T) {
	k := newTalk(t, fake{pins: somePins(3)})
	parse := func(name, text string) []byte { return pgwire.AppendParse(nil, name, text, nil) }
	execute := func(most uint32) []byte { return pgwire.AppendExecute(nil, "", most) }
	sync := pgwire.AppendSync(nil)
	version := "D:aioproxy 1.2.3 C:SHOW"

	require.Equal(t, "1 t T Z", k.say(parse("v", "SHOW VERSION"), pgwire.AppendDescribe(nil, 'S', "v"), sync))
	require.Equal(t, "2 T "+version+" Z", k.say(bind("", "v"), pgwire.AppendDescribe(nil, 'P', ""), execute(0), sync))
	require.Equal(t, "E:42P05 Z", k.say(parse("v", "SHOW PINS"), execute(0), sync), "everything up to Sync is ignored")
	require.Equal(t, "1 1 2 "+version+" Z", k.say(parse("", "SHOW PINS"), parse("", "SHOW VERSION"), bind("", ""), execute(0), pgwire.AppendFlush(nil), sync))
	require.Equal(t, "3 Z", k.say(pgwire.AppendClose(nil, 'S', "v"), sync))
	require.Equal(t, "E:26000 Z", k.say(bind("", "v"), sync))
	require.Equal(t, "E:26000 Z", k.say(pgwire.AppendDescribe(nil, 'S', "v"), sync))
	require.Equal(t, "E:34000 Z", k.say(execute(0), sync), "portals end with Sync")
	require.Equal(t, "E:34000 Z", k.say(pgwire.AppendDescribe(nil, 'P', ""), sync))
	require.Equal(t, "1 2 n I Z", k.say(parse("", " -- nothing"), bind("", ""), pgwire.AppendDescribe(nil, 'P', ""), execute(0), sync))
	require.Equal(t, "E:42601 Z", k.say(parse("", "SHOW PINS; SHOW PINS"), sync))
	require.Equal(t, "1 E:08P01 Z", k.say(parse("", "SHOW VERSION"), bind("", "", 0, 0), sync))
	require.Equal(t, "E:08P01 Z", k.say(pgwire.AppendBind(nil, "", "", []byte{0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0}), sync))
	require.Equal(t, "1 2 E:42P03 Z", k.say(parse("", "SHOW PINS"), bind("p", ""), bind("p", ""), sync))
	require.Equal(t, "E:0A000 Z", k.say(pgwire.AppendFrame(nil, 'F', nil)))
	require.Equal(t, "E:08P01 Z", k.say(pgwire.AppendFrame(nil, 'P', nil), sync))
	require.Equal(t, "E:08P01 Z", k.say(pgwire.AppendFrame(nil, 'B', nil), sync))
	require.Equal(t, "E:08P01 Z", k.say(pgwire.AppendFrame(nil, 'E', nil), sync))
	require.Equal(t, "E:08P01 Z", k.say(pgwire.AppendFrame(nil, 'D', []byte("?")), sync))

	k.say(parse("", "SHOW PINS"), bind("", ""), execute(2))
	require.Regexp(t, `^1 2 D:1\S* \S* D:2\S* \S* s$`, told(k))
	require.Regexp(t, `^D:3\S* \S* C:SHOW Z$`, k.say(execute(2), sync))
	require.Regexp(t, `^2 (D:\S* \S* ){3}s C:SHOW C:SHOW Z$`, k.say(bind("", ""), execute(3), execute(3), execute(0), sync))
}

// told is what was sent since.
func told(k *talk) string {
	k.t.Helper()
	var all []string
	for b := k.sent; len(b) > 0; {
		h, _, err := pgwire.Peek(b)
		require.NoError(k.t, err)
		all = append(all, tell(k.t, h.Type, b[pgwire.HeaderSize:h.Len]))
		b = b[h.Len:]
	}
	return strings.Join(all, " ")
}

func TestBinaryResults(t *testing.T) {
	k := newTalk(t, fake{pins: somePins(1)})
	k.say(pgwire.AppendParse(nil, "", "SHOW PINS", nil), bind("", "", 1), pgwire.AppendExecute(nil, "", 0), pgwire.AppendSync(nil))
	var row [][]byte
	for b := k.sent; len(b) > 0; {
		h, _, err := pgwire.Peek(b)
		require.NoError(t, err)
		if h.Type == pgwire.MsgDataRow {
			pgwire.EachColumn(b[pgwire.HeaderSize:h.Len], func(v []byte) { row = append(row, v) })
		}
		b = b[h.Len:]
	}
	require.Len(t, row, len(pinColumns))
	require.Equal(t, []byte{0, 0, 0, 1}, row[0])
	require.Equal(t, "u", string(row[1]))
	since := timestampEpoch.Add(time.Duration(binary.BigEndian.Uint64(row[6])) * time.Microsecond)
	require.Equal(t, somePins(1)[0].Since, since)
	require.Greater(t, math.Float64frombits(binary.BigEndian.Uint64(row[7])), 1e6, "seconds")
}

func TestNull(t *testing.T) {
	row, _ := appendRow(nil, []Column{{"a", Text}, {"b", Integer}}, []bool{false, false}, []Value{{}, IntegerValue(-5)}, nil)
	require.Equal(t, pgwire.AppendDataRow(nil, [][]byte{nil, []byte("-5")}), row)
}

// What a client can make the console keep is bounded.
func TestWorkIsBounded(t *testing.T) {
	k := newTalk(t, fake{pins: somePins(5000)})
	require.Equal(t, 5000, strings.Count(k.query("SHOW PINS"), "D:"))
	require.Less(t, k.largest, 2*flushAfter)
	k.largest = 0
	k.query(strings.Repeat("SHOW PINS;", 5))
	require.Less(t, k.largest, 2*flushAfter)

	var refused string
	for i := 0; refused == "" && i < 10*maxNames; i++ {
		if a := k.say(pgwire.AppendParse(nil, fmt.Sprint(i), "SHOW PINS", nil), pgwire.AppendSync(nil)); a != "1 Z" {
			refused = a
		}
	}
	require.Equal(t, "E:54000 Z", refused)
	messages := [][]byte{}
	for i := range maxPortals + 1 {
		messages = append(messages, bind(fmt.Sprint(i), "0"))
	}
	require.Equal(t, "2 2 2 2 E:54000 Z", k.say(append(messages, pgwire.AppendSync(nil))...))
}

func TestAClientThatIsGoneEndsTheConsole(t *testing.T) {
	k := newTalk(t, fake{pins: somePins(5000)})
	k.fail = errors.New("gone")
	require.ErrorIs(t, k.console.Message(pgwire.MsgQuery, []byte("SHOW PINS;SHOW PINS\x00"), Everything), k.fail)
	require.Less(t, len(k.sent), 2*flushAfter, "nothing is written after the first error")
	require.ErrorIs(t, k.console.Flush(), k.fail)
}

func FuzzConsole(f *testing.F) {
	f.Add("SHOW VERSION; /* x */ 'a' \"b\" -- c\n")
	f.Fuzz(func(t *testing.T, text string) {
		commands, ok := split(text)
		for _, words := range commands {
			require.NotEmpty(t, words)
		}
		if ok && !strings.ContainsAny(text, ";'\"/-") {
			require.LessOrEqual(t, len(commands), 1)
		}
	})
}
