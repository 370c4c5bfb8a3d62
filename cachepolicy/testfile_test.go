package cachepolicy_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/stretchr/testify/require"
)

// paragraph is one case of a text file: its lines "name: value".
type paragraph struct {
	line   int
	fields map[string]string
}

func readCases(t *testing.T, path string) []paragraph {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var cases []paragraph
	for i, line := range strings.Split(string(text)+"\n\n", "\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "#"), line == "":
			continue
		case !ok:
			t.Fatalf("%s:%d: %q is not name: value", path, i+1, line)
		case name == "sql":
			cases = append(cases, paragraph{line: i + 1, fields: map[string]string{}})
		}
		cases[len(cases)-1].fields[name] = value
	}
	require.NotEmpty(t, cases)
	return cases
}

func facts(t *testing.T, sql string) *parser.Facts {
	t.Helper()
	f, err := pgquery.New().Analyze(sql)
	if err != nil {
		return &parser.Facts{Normalized: "<opaque>", Reason: "syntax", Statements: []parser.Statement{{}}}
	}
	return f
}

// resolution reads what a catalog would say.
func resolution(t *testing.T, text string, n *catalog.Resolution) *catalog.Resolution {
	t.Helper()
	if text == "none" {
		return nil
	}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "reads":
			n.Reads = relations(t, value)
		case "writes":
			n.Writes = relations(t, value)
		case "unknown":
			n.Unknown = value
		case "writes_unknown":
			n.WritesUnknown = value
		case "reads_unknown":
			n.ReadsUnknown = value
		case "stable":
			n.Volatility = catalog.Stable
		case "volatile":
			n.Volatility = catalog.Volatile
		case "function":
			schema, function, _ := strings.Cut(value, ".")
			n.Function = parser.Name{Schema: schema, Name: function}
		case "time":
			require.Equal(t, "output", value)
			n.Time = parser.TimeInOutput
		case "pins":
			n.Pins = value
		case "effects":
			n.Effects = true
		case "sets_state":
			n.SetsState = true
		case "row_security":
			n.RowSecurity = true
		case "temporary":
			n.Temporary = true
		case "unlogged":
			n.Unlogged = true
		case "foreign":
			n.Foreign = true
		case "system":
			n.System = true
		default:
			t.Fatalf("unknown word %q in names", word)
		}
	}
	return n
}

func relations(t *testing.T, list string) []catalog.RelID {
	t.Helper()
	var ids []catalog.RelID
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' }) {
		id, err := strconv.ParseUint(word, 10, 32)
		require.NoError(t, err)
		ids = append(ids, catalog.RelID(id))
	}
	return ids
}
