package instance_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// script is a conversation of one or more sessions. A line is
//
//	SESSION: VERB ARG ... ; VERB ARG ...   messages in one write, or one of the verbs of scriptRun.step
//	sql: STATEMENT                          on a connection of its own, not part of the comparison
//	await: QUERY                            until it returns true
//	connections N                           of the pool; 2 where nothing is said
//	loose                                   of errors, only severity and SQLSTATE are compared
//
// An argument is a word or a text. Texts are written as in Go and joined by +; beside quoted ones there are ~N, N letters x,
// and $N, the list $1,...,$N.
type script struct {
	steps       []scriptStep
	connections int
	loose       bool
}

type scriptStep struct {
	line     int
	session  string
	text     string
	commands []command
}

type command struct {
	verb string
	args []string
}

func parseScript(t *testing.T, text string) *script {
	s := &script{connections: 2}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "loose":
			s.loose = true
			continue
		case strings.HasPrefix(line, "connections "):
			s.connections = number(strings.TrimPrefix(line, "connections "))
			continue
		}
		session, rest, ok := strings.Cut(line, ":")
		require.True(t, ok, "line %d: SESSION: ...", i+1)
		st := scriptStep{line: i + 1, session: session, text: strings.TrimSpace(rest)}
		if session != "sql" && session != "await" {
			st.commands = parseCommands(t, i+1, st.text)
		}
		s.steps = append(s.steps, st)
	}
	return s
}

func parseCommands(t *testing.T, line int, text string) []command {
	var out []command
	var words []string
	end := func() {
		require.NotEmpty(t, words, "line %d: a verb is missing", line)
		out = append(out, command{verb: words[0], args: words[1:]})
		words = nil
	}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] == ';' {
			end()
			rest = rest[1:]
			continue
		}
		word, after := parseWord(t, line, rest)
		words = append(words, word)
		rest = after
	}
	end()
	return out
}

// parseWord takes one argument off the front, with its texts joined.
func parseWord(t *testing.T, line int, s string) (word, rest string) {
	var b strings.Builder
	for s != "" && s[0] != ' ' && s[0] != ';' {
		switch s[0] {
		case '"':
			quoted, err := strconv.QuotedPrefix(s)
			require.NoError(t, err, "line %d: %s", line, s)
			text, err := strconv.Unquote(quoted)
			require.NoError(t, err, "line %d: %s", line, s)
			b.WriteString(text)
			s = s[len(quoted):]
		case '~', '$':
			kind := s[0]
			end := 1
			for end < len(s) && s[end] >= '0' && s[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(s[1:end])
			require.NoError(t, err, "line %d: %s", line, s)
			b.WriteString(expand(kind, n))
			s = s[end:]
		case '+':
			s = s[1:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String(), s
}

func expand(kind byte, n int) string {
	if kind == '~' {
		return strings.Repeat("x", n)
	}
	list := make([]string, n)
	for i := range list {
		list[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(list, ",")
}

// encode appends the message that a command stands for.
func (c *command) encode(dst []byte) ([]byte, error) {
	arg := func(i int) string {
		if i < len(c.args) {
			return c.args[i]
		}
		return ""
	}
	var m pgproto3.FrontendMessage
	switch c.verb {
	case "Query":
		m = &pgproto3.Query{String: arg(0)}
	case "Parse":
		p := &pgproto3.Parse{Name: arg(0), Query: arg(1)}
		for _, a := range c.args[2:] {
			p.ParameterOIDs = append(p.ParameterOIDs, uint32(number(a)))
		}
		m = p
	case "Bind":
		m = c.bind()
	case "Describe":
		m = &pgproto3.Describe{ObjectType: arg(0)[0], Name: arg(1)}
	case "Close":
		m = &pgproto3.Close{ObjectType: arg(0)[0], Name: arg(1)}
	case "Execute":
		m = &pgproto3.Execute{Portal: arg(0), MaxRows: uint32(number(arg(1)))}
	case "Sync":
		m = &pgproto3.Sync{}
	case "Flush":
		m = &pgproto3.Flush{}
	case "CopyData":
		m = &pgproto3.CopyData{Data: []byte(arg(0))}
	case "CopyDone":
		m = &pgproto3.CopyDone{}
	case "CopyFail":
		m = &pgproto3.CopyFail{Message: arg(0)}
	case "Function":
		f := &pgproto3.FunctionCall{Function: uint32(number(arg(0)))}
		for _, a := range c.args[1:] {
			f.Arguments = append(f.Arguments, []byte(a))
		}
		m = f
	case "Terminate":
		m = &pgproto3.Terminate{}
	case "Raw": // type, length field, body
		return append(appendHeader(dst, arg(0)[0], number(arg(1))), arg(2)...), nil
	case "Repeat": // a message n times
		inner := command{verb: arg(1), args: c.args[2:]}
		one, err := inner.encode(nil)
		for range number(arg(0)) {
			dst = append(dst, one...)
		}
		return dst, err
	default:
		return nil, fmt.Errorf("verb %q is unknown", c.verb)
	}
	return m.Encode(dst)
}

// bind: portal, statement, then parameters; NULL, hex:..., N*text, pf=1,0 and rf=1 for the formats.
func (c *command) bind() *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: c.args[0], PreparedStatement: c.args[1]}
	for _, a := range c.args[2:] {
		times, text, many := strings.Cut(a, "*")
		switch {
		case a == "NULL":
			b.Parameters = append(b.Parameters, nil)
		case strings.HasPrefix(a, "hex:"):
			v, _ := hex.DecodeString(a[4:])
			b.Parameters = append(b.Parameters, v)
		case strings.HasPrefix(a, "pf="):
			b.ParameterFormatCodes = formats(a[3:])
		case strings.HasPrefix(a, "rf="):
			b.ResultFormatCodes = formats(a[3:])
		case many:
			for range number(times) {
				b.Parameters = append(b.Parameters, []byte(text))
			}
		default:
			b.Parameters = append(b.Parameters, []byte(a))
		}
	}
	return b
}

func formats(list string) []int16 {
	var out []int16
	for f := range strings.SplitSeq(list, ",") {
		out = append(out, int16(number(f)))
	}
	return out
}

// number reads a number of a script; what is missing is 0.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func appendHeader(dst []byte, typ byte, length int) []byte {
	return append(dst, typ, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}
