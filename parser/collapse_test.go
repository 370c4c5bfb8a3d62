package parser_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs/configsize"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/pgquery"
)

func TestCollapse(t *testing.T) {
	for _, c := range []struct{ text, short string }{
		{"INSERT INTO t VALUES (1, 'a'), (2, NULL),(-3,'c''d') , (4, E'x\\'y')", "INSERT INTO t VALUES ('x','x'),('x','now')"},
		{"INSERT INTO t VALUES (1, $$a$$), (2, $q$ $$ ' $q$) ON CONFLICT DO NOTHING", "INSERT INTO t VALUES ('x','x') ON CONFLICT DO NOTHING"},
		{"INSERT INTO t VALUES ('a'\n -- c'\n 'b'), /* ),( ' /* */ */ (2)", "INSERT INTO t VALUES ('x')"},
		{
			"INSERT INTO t (a, \"b\"\"c'\") VALUES (1::int, DATE '2020-01-01'), (NULL::int, DATE '2021-01-01')",
			"INSERT INTO t (a,\"b\"\"c'\") VALUES ('x'::int,DATE 'x')",
		},
		{"INSERT INTO t VALUES (now(), DEFAULT), (now(), 5)", "INSERT INTO t VALUES (now(),DEFAULT),(now(),'x')"},
		{
			"INSERT INTO t VALUES (ARRAY[1,2,3], ROW(1, 'b'), 1.5::numeric(10, 2)), (ARRAY[4], ROW(2, TRUE), .5::numeric(10, 2))",
			"INSERT INTO t VALUES (ARRAY['x'],ROW('x','x'),'x'::numeric(10,2))",
		},
		{
			"SELECT * FROM t WHERE a IN (1, 2, 'c', -4) AND (b, c) IN ((1, 2), (3, 4))",
			"SELECT * FROM t WHERE a IN ('x') AND (b,c) IN (('x','x'))",
		},
		{"SELECT * FROM t WHERE a IN (SELECT b FROM u, u, u) LIMIT 5", "SELECT * FROM t WHERE a IN (SELECT b FROM u,u,u) LIMIT 5"},
		{"INSERT INTO t VALUES (1, (SELECT 1)), (1, (SELECT 1)), (2, 2), (3, 3)", "INSERT INTO t VALUES ('x',(SELECT 1)),('x',(SELECT 1)),('x','x')"},
		{
			"UPDATE t SET a = v.a FROM (VALUES (1, 2), (3, 4)) AS v (id, a), u WHERE t.id = v.id",
			"UPDATE t SET a = v.a FROM (VALUES ('x','x')) AS v (id,a),u WHERE t.id = v.id",
		},
		{"INSERT INTO t VALUES ($1, $2), ($3, $4) /* aioproxy: route=primary */", "INSERT INTO t VALUES ($1,$1) /* aioproxy: route=primary */"},
		{
			"INSERT INTO t VALUES (B'01', X'ff', N'a', U&'a\\0061'), (b'1', x'0', n'b', u&'b')",
			"INSERT INTO t VALUES (B'0',B'0',N'x','now'),(B'0',B'0',N'x','x')",
		},
		{"UPDATE t SET a = 'é漢字''' WHERE id = 17", "UPDATE t SET a = 'x' WHERE id = 17"},
	} {
		for n := 1; n <= len(c.text); n++ {
			short, ok := parser.Collapse([]byte(c.text), n)
			require.True(t, ok, "%q in parts of %d", c.text, n)
			require.Equal(t, c.short, string(short), "%q in parts of %d", c.text, n)
		}
	}
}

func TestCollapseGivesUp(t *testing.T) {
	for _, text := range []string{
		"INSERT INTO t VALUES ('open", "INSERT INTO t VALUES ($a$ open $b$", "INSERT INTO t VALUES (1) /* open", "INSERT INTO \"open",
		"INSERT INTO t VALUES (1", "INSERT INTO t VALUES (1))", "SELECT 'a'::regclass", "SELECT 1\x00", "SELECT 1abc",
		"SELECT " + strings.Repeat("x", 2000), "SELECT " + strings.Repeat("f(x), ", 20000), strings.Repeat("(", 100),
	} {
		for _, n := range []int{1, 2, 3, 7, 100000} {
			_, ok := parser.Collapse([]byte(text), n)
			require.False(t, ok, "%.40q in parts of %d", text, n)
		}
	}
}

// manyRows is long by its literals alone.
func manyRows(n int, row string) string { return strings.TrimSuffix(strings.Repeat(row+", ", n), ", ") }

func TestLongTexts(t *testing.T) {
	cfg := parser.DefaultConfig()
	cfg.MaxTextBytes = 4 * configsize.KiB
	rows := manyRows(1000, "(1, 'it''s')")
	for _, c := range []struct {
		text  string
		as    parser.Lexing
		known bool
	}{
		{"INSERT INTO t VALUES " + rows, 0, true},
		{"INSERT INTO t VALUES " + rows + ";", parser.BackslashStrings | parser.UnsafeEncoding, true},
		{"INSERT INTO t VALUES " + rows + " RETURNING id", 0, true},
		{"DELETE FROM t WHERE (a, b) IN (" + rows + ")", 0, true},
		{"INSERT INTO t VALUES ('" + strings.Repeat("long ", 9000) + "')", 0, true},
		{"INSERT INTO t VALUES " + rows + ", (1, lower('A'))", 0, true},
		{"INSERT INTO t VALUES " + rows + "; SELECT 1", 0, false},
		{"INSERT INTO t VALUES " + rows + "; SET a.b = 'c'", 0, false},
		{"INSERT INTO t VALUES " + rows + ", (1, set_config('a.b', 'c', false))", 0, false},
		{"INSERT INTO t VALUES " + rows + ", (nextval('s'), 1)", 0, false},
		{"INSERT INTO t VALUES " + rows + `, (1, 'a\b')`, 0, true},
		{"INSERT INTO t VALUES " + rows + `, (1, 'a\b')`, parser.BackslashStrings, false},
		{"INSERT INTO t VALUES " + rows + `, (1, E'a\'b')`, parser.BackslashStrings, true},
		{"INSERT INTO t VALUES " + rows + ", (1, 'é')", 0, true},
		{"INSERT INTO t VALUES " + rows + ", (1, 'é')", parser.UnsafeEncoding, false},
		{"INSERT INTO t VALUES " + rows + ", (1, 'a)", 0, false},
		{"CREATE TABLE t AS VALUES " + rows, 0, false},
		{"DO '" + strings.Repeat("x", 9000) + "'", 0, false},
	} {
		m := parser.NewMemo(cfg, pgquery.New())
		f := m.FactsAs([]byte(c.text), c.as)
		require.Equal(t, !c.known, f.Opaque(), "%.30q ... %q", c.text, c.text[len(c.text)-20:])
		stream := m.Collapser(c.as)
		for part := range strings.SplitSeq(c.text, ",") {
			stream.Write([]byte(part))
			stream.Write([]byte(","))
		}
		require.LessOrEqual(t, m.Stats().Bytes, 8<<10)
	}
}

// sameFacts demands of a collapsed text what holds for the whole. What may mention the time is taken to mention it.
func sameFacts(t *testing.T, m *parser.Memo, a parser.Analyzer, sql string, n int) bool {
	t.Helper()
	c := m.Collapser(0)
	for rest := []byte(sql); len(rest) > 0; {
		part := rest[:min(n, len(rest))]
		c.Write(append([]byte(nil), part...))
		rest = rest[len(part):]
	}
	got := m.Collapsed(c)
	want, err := a.Analyze(sql)
	if err != nil || got == nil {
		return false // PostgreSQL refuses it, or nothing is said of it
	}
	short := *got
	short.Statements = append([]parser.Statement(nil), got.Statements...)
	for i := range short.Statements {
		require.GreaterOrEqual(t, short.Statements[i].Time, want.Statements[i].Time, "%q", sql)
		short.Statements[i].Time = want.Statements[i].Time
	}
	short.Normalized = want.Normalized
	if strings.Contains(strings.ToLower(sql), "array") { // of those the fingerprint counts the elements, unless they are plain
		short.Fingerprint = want.Fingerprint
	}
	require.Equal(t, want, &short, "%q collapsed to %q", sql, got.Normalized)
	return true
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func randomValue(r *rand.Rand, deep int) string {
	switch r.IntN(14) {
	case 0:
		return fmt.Sprint(r.IntN(1000) - 500)
	case 1:
		return pick(r, "1.5e-3", ".5", "0x1F", "1_000", "5.", "$1", "$22")
	case 2, 3:
		return pick(r, "NULL", "true", "FALSE", "DEFAULT", "default")
	case 4, 5:
		return "'" + pick(r, "a", "it''s", "),('", "a\\b", "now", "till now it was", "--", "/*", "$$", "é漢", "") + "'"
	case 6:
		return pick(r, "E", "e") + "'" + pick(r, `\'`, `a\\`, `\n),(`, `''`, `no\167`) + "'"
	case 7:
		return pick(r, "$$a'b$$", "$q$ $$ $ $qq$ ),( $q$", "$é$x$é$", "$$$$")
	case 8:
		return pick(r, "'a'\n'b'", "'no' -- x'\n\t'w'", "B'01'", "x'ff'", "N'a'", "U&'d\\0061'")
	case 9:
		return "'" + pick(r, "2020-01-01", "now", "today") + "'::" + pick(r, "date", "timestamp with time zone", "varchar(10)", "text")
	case 10:
		return pick(r, "DATE '2020-01-01'", "timestamp 'now'", "interval '1' day", "- 5", "+5", "-5::int", "CAST('1' AS int)")
	case 11:
		if deep > 2 {
			return "1"
		}
		return "ARRAY[" + randomList(r, deep+1, 5) + "]" + pick(r, "", "::int[]", "[1]")
	case 12:
		if deep > 2 {
			return "'z'"
		}
		return pick(r, "ROW(", "(", "f(", "lower(") + randomList(r, deep+1, 4) + ")"
	default:
		return pick(r, "now()", "current_date", "a + 1", "(SELECT max(x) FROM u)", "1 + 1", "a IN (1, 2)", "random()", "a.b", "CASE WHEN a > 1 THEN 2 END")
	}
}

func randomList(r *rand.Rand, deep, most int) string {
	var b strings.Builder
	for i := range 1 + r.IntN(most) {
		if i > 0 {
			b.WriteString(pick(r, ",", ", ", " ,\n", ",/* ' */", ",-- (\n"))
		}
		b.WriteString(randomValue(r, deep))
	}
	return b.String()
}

func randomRows(r *rand.Rand) string {
	var b strings.Builder
	few := []string{randomList(r, 0, 4), randomList(r, 0, 4), randomList(r, 0, 4)}
	for i := range 1 + r.IntN(20) {
		if i > 0 {
			b.WriteString(pick(r, ",", ", ", "\n, ", ",/* x /* y */ '*/"))
		}
		if r.IntN(3) == 0 {
			b.WriteString("(" + randomList(r, 0, 4) + ")")
		} else {
			b.WriteString("(" + pick(r, few...) + ")")
		}
	}
	return b.String()
}

func randomStatement(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return "SELECT * FROM t, t u WHERE a IN (" + randomList(r, 0, 30) + ") AND b < " + randomValue(r, 0)
	case 1:
		return "UPDATE t SET a = v.x, b = " + randomValue(r, 1) + " FROM (VALUES " + randomRows(r) + ") AS v (x), u, u AS w WHERE id IN (VALUES " + randomRows(r) + ")"
	case 2:
		return "DELETE FROM t WHERE (a, b) IN (" + randomRows(r) + ") OR c = ANY(ARRAY[" + randomList(r, 0, 30) + "])"
	default:
		return "INSERT INTO t (a, \"b\"\"(\") " + pick(r, "", "OVERRIDING SYSTEM VALUE ") + "VALUES " + randomRows(r) +
			pick(r, "", ";", " ON CONFLICT (a) DO UPDATE SET a = excluded.a WHERE t.a <> 'now'", " RETURNING a, f(b)", " -- end", "; SELECT 1")
	}
}

func TestCollapsedFactsAreThoseOfTheWhole(t *testing.T) {
	m, a := parser.NewMemo(parser.DefaultConfig(), pgquery.New()), pgquery.New()
	known := 0
	const tries = 4000
	for seed := range uint64(tries) {
		r := rand.New(rand.NewPCG(seed, 1))
		if sameFacts(t, m, a, randomStatement(r), 1+r.IntN(40)) {
			known++
		}
	}
	t.Logf("%d of %d texts were recognised", known, tries)
	require.Greater(t, known, tries/4)
	for _, sql := range corpus(t) {
		sameFacts(t, m, a, sql, 3)
	}
}

func FuzzCollapse(f *testing.F) {
	for _, sql := range corpus(f) {
		f.Add(sql, 5)
	}
	for seed := range uint64(50) {
		f.Add(randomStatement(rand.New(rand.NewPCG(seed, 2))), 9)
	}
	m, a := parser.NewMemo(parser.DefaultConfig(), pgquery.New()), pgquery.New()
	f.Fuzz(func(t *testing.T, sql string, n int) {
		if len(sql) < 1<<12 && n > 0 {
			sameFacts(t, m, a, sql, n)
			whole, ok := parser.Collapse([]byte(sql), len(sql)+1)
			parts, ok2 := parser.Collapse([]byte(sql), n)
			require.Equal(t, ok, ok2)
			require.Equal(t, whole, parts)
		}
	})
}

func BenchmarkCollapse(b *testing.B) {
	m := parser.NewMemo(parser.DefaultConfig(), pgquery.New())
	for name, row := range map[string]string{
		"numbers": "(12345, 67.89, -5, NULL)", "mixed": "(12345, 'some name', '2024-01-01 12:00:00+00', NULL, 17.5, true)",
		"text": "(12345, '" + strings.Repeat("lorem ipsum dolor sit amet ", 10) + "')", "params": "($1, $2, $3, $4)",
	} {
		sql := []byte("INSERT INTO t VALUES " + manyRows(3<<20/len(row), row))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			b.ReportAllocs()
			for b.Loop() {
				c := m.Collapser(0)
				for rest := sql; len(rest) > 0; {
					part := rest[:min(16<<10, len(rest))]
					c.Write(part)
					rest = rest[len(part):]
				}
				if m.Collapsed(c) == nil {
					b.Fatal("not understood")
				}
			}
		})
	}
}
