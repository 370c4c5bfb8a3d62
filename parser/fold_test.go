package parser

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNormalize reads testdata/normalize.txt: SQL, then "=>" and what people see, with a note where nothing is shared.
func TestNormalize(t *testing.T) {
	content, err := os.ReadFile("testdata/normalize.txt")
	require.NoError(t, err)
	for block := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n\n") {
		sql, want, ok := strings.Cut(block, "\n=> ")
		require.True(t, ok, block)
		got := string(AppendNormalized(nil, []byte(sql)))
		if _, shares := appendKey(nil, []byte(sql)); !shares {
			got = "(not shared) " + got
		}
		require.Equal(t, want, got, sql)
	}
}

// TestKeysDiffer has pairs that mean different things, though they look alike without their literals.
func TestKeysDiffer(t *testing.T) {
	for _, pair := range [][2]string{
		{"SELECT $1.5", "SELECT $10"},
		{"SELECT 'a'", "SELECT 1"},
		{"SELECT B'1'", "SELECT '1'"},
		{"SELECT e 'a'", "SELECT E'a'"},
		{"SELECT a 1", "SELECT a1"},
		{"SELECT 1 /* aioproxy: cache=off */", "SELECT 1"},
		{"SELECT 1 /* aioproxy: cache=off */", "SELECT 1 /* aioproxy: cache=on */"},
		{"SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2"},
		{"SELECT current_timestamp(1)", "SELECT current_timestamp(2)"},
		{`SELECT "1"`, `SELECT "2"`},
		{"SELECT $1", "SELECT $2"},
		{"SELECT 1", "SELECT 1, 2"},
		{"SELECT a - 1", "SELECT a -- 1"},
	} {
		a, _ := appendKey(nil, []byte(pair[0]))
		b, _ := appendKey(nil, []byte(pair[1]))
		require.NotEqual(t, string(a), string(b), pair)
	}
}

func TestKeysAgree(t *testing.T) {
	for _, pair := range [][2]string{
		{"SELECT 1", "SELECT  0x1F -- comment"},
		{"SELECT 'a'", "\nSELECT/**/$$b$$"},
		{"SELECT * FROM t WHERE a = 1 AND b = 'x'", "SELECT * FROM t WHERE a = 1.5e3 AND b = 'it''s'"},
		{"SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 99"},
	} {
		a, sharesA := appendKey(nil, []byte(pair[0]))
		b, sharesB := appendKey(nil, []byte(pair[1]))
		require.Equal(t, string(a), string(b), pair)
		require.True(t, sharesA && sharesB, pair)
	}
}

func TestDepthOfWideTexts(t *testing.T) {
	for _, wide := range []string{
		"INSERT INTO t VALUES (1 + 1)" + strings.Repeat(", (1 + 1, a.b)", 20000),
		"SELECT * FROM t WHERE a = 1" + strings.Repeat(" OR a.x = 2 AND b = 3", 20000),
		"SELECT CASE" + strings.Repeat(" WHEN a = 1 THEN 2", 20000) + " END",
		"SELECT 1" + strings.Repeat("; SELECT a FROM b JOIN c ON d = e", 20000),
		"SELECT '" + strings.Repeat("(", 20000) + "'",
		"SELECT a FROM b JOIN c ON x = y" + strings.Repeat(" UNION SELECT a FROM b JOIN c ON x = y", 1000),
	} {
		require.False(t, TooDeep([]byte(wide)), wide[:60])
	}
}

func TestDepthOfDeepTexts(t *testing.T) {
	for _, part := range []string{
		"+1", "::a", "+a.and", " + CASE WHEN a THEN b END", "(SELECT 1 AS end, ", " union SELECT a", " JOIN (b) ON c AND d",
		"(", "f(a, ", "ARRAY[", "NOT ", "CASE WHEN a THEN ", " COLLATE a", " AT TIME ZONE b", " OPERATOR(+) c", "- ",
	} {
		require.True(t, TooDeep([]byte("SELECT a"+strings.Repeat(part, 2000))), part)
	}
}
