package parser_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/pgquery"
)

// corpus returns the statements of pgquery's tests.
func corpus(t testing.TB) []string {
	var all []string
	for _, file := range []string{"select", "with", "write", "time", "shape", "session", "ddl", "strange"} {
		content, err := os.ReadFile("pgquery/testdata/" + file + ".txt")
		require.NoError(t, err)
		for block := range strings.SplitSeq(string(content), "\n\n") {
			sql, _, _ := strings.Cut(block, "\n=>")
			all = append(all, sql)
		}
	}
	return all
}

// variants writes other literals into the places of those that a key has left out.
func variants(sql string) []string {
	if strings.ContainsAny(sql, "\x01\x02\x03") {
		return nil
	}
	key, shares := parser.AppendKey(nil, []byte(sql))
	if !shares {
		return nil
	}
	var all []string
	for _, with := range [][3]string{
		{"7", "'z'", "B'0'"},
		{"1_000.5e-3", "$q$it's now'$q$", "x'ff'"},
		{"0x1F", "E'today'", "b''"},
		{".5", "'NOW'", "X'0'"},
		{"99999999999", "'; DROP TABLE t; --'", "B'1'"},
	} {
		all = append(all, strings.NewReplacer("\x01", with[0], "\x02", with[1], "\x03", with[2]).Replace(string(key)))
	}
	return all
}

// checkShare demands that what the memo says of a text and of its variants is what the analyzer says.
func checkShare(t *testing.T, sql string) {
	t.Helper()
	a := pgquery.New()
	m := parser.NewMemo(parser.DefaultConfig(), a)
	m.Facts([]byte(sql))
	for _, v := range append(variants(sql), sql) {
		direct, err := a.Analyze(v)
		if err != nil {
			continue // a literal of that kind is a syntax error there, and the server will say so
		}
		memo := m.Facts([]byte(v))
		if memo.Opaque() {
			continue
		}
		require.Equal(t, direct, memo, "%q after %q", v, sql)
	}
}

func TestSharedFactsAreTheAnalyzersOwn(t *testing.T) {
	shared := 0
	for _, sql := range corpus(t) {
		shared += len(variants(sql))
		checkShare(t, sql)
	}
	require.Greater(t, shared, 100, "the corpus has texts to share")
}

func FuzzNormalize(f *testing.F) {
	for _, sql := range corpus(f) {
		f.Add(sql)
	}
	for _, sql := range []string{
		"SELECT $1.5", "SELECT 1.5.3", "SELECT 'a'\n'b'", "SELECT a.5", `SELECT U&"d\0061t" FROM t`, "SELECT 'a\\'b", "SELECT /*",
		"SELECT 1::float(53)", "SELECT x::foo(3, 'a')", "SELECT 1 LIMIT 5 OFFSET 1e3", "SELECT interval '1' second(3)",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		parser.AppendNormalized(nil, []byte(sql))
		parser.FindHints([]byte(sql))
		if len(sql) < 1<<12 && strings.IndexByte(sql, 0) < 0 {
			checkShare(t, sql)
		}
	})
}
