package pgquery_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/pgquery"
)

func reason(err error) string {
	if opaque, ok := err.(*parser.OpaqueError); ok { //nolint:errorlint // it is documented to be returned as it is
		return opaque.Reason
	}
	return ""
}

// TestDepth goes as deep as the guard lets it: the process must survive that, and refuse what is deeper.
func TestDepth(t *testing.T) {
	a := pgquery.New()
	for _, c := range []struct{ start, part, leaf, end string }{
		{"SELECT a", "+1", "", ""},
		{"SELECT ", "NOT ", "a", ""},
		{"SELECT a", "::a", "", ""},
		{"SELECT a.and", "+a.and", "", ""},
		{"SELECT ", "CASE WHEN a THEN ", "b", " END"},
		{"SELECT a", " + CASE WHEN a THEN b END", "", ""},
		{"SELECT ", "(SELECT 1 AS end, ", "b", ")"},
		{"SELECT ", "(SELECT ", "b", ")"},
		{"SELECT * FROM ", "(SELECT * FROM ", "b", ") x"},
		{"SELECT 1", " UNION SELECT 1", "", ""},
		{"SELECT * FROM a", " JOIN (b CROSS JOIN c) ON true AND false", "", ""},
		{"SELECT ", "f(a, ", "b", ")"},
		{"SELECT ", "ARRAY[", "b", "]"},
		{"SELECT a", " AT TIME ZONE b", "", ""},
		{"SELECT a", " OPERATOR(+) b", "", ""},
	} {
		for _, n := range []int{100, 500, 1400, 8000} {
			_, err := a.Analyze(c.start + strings.Repeat(c.part, n) + c.leaf + strings.Repeat(c.end, n))
			switch n {
			case 100:
				require.NoError(t, err, c.part)
			case 8000:
				require.Equal(t, parser.ReasonTooDeep, reason(err), c.part)
			}
		}
	}
}

func TestNULIsRefused(t *testing.T) {
	_, err := pgquery.New().Analyze("SELECT 1\x00; DROP TABLE t")
	require.Equal(t, parser.ReasonNUL, reason(err))
}

func TestFingerprintIgnoresLiterals(t *testing.T) {
	a := pgquery.New()
	one, err := a.Analyze("SELECT * FROM t WHERE a = 1")
	require.NoError(t, err)
	two, err := a.Analyze("select *  from t where a = 'x'")
	require.NoError(t, err)
	other, err := a.Analyze("SELECT * FROM t WHERE b = 1")
	require.NoError(t, err)
	require.NotZero(t, one.Fingerprint)
	require.Equal(t, one.Fingerprint, two.Fingerprint)
	require.NotEqual(t, one.Fingerprint, other.Fingerprint)
	require.Equal(t, "SELECT * FROM t WHERE a = $1", one.Normalized)
}

func TestConcurrentAnalyze(t *testing.T) {
	a := pgquery.New()
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 50 {
				table := fmt.Sprintf("t_%d_%d", g, i)
				f, err := a.Analyze("SELECT * FROM " + table)
				if err != nil || f.Single().Reads[0].Name != table {
					t.Errorf("%s: %v %v", table, f, err)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzAnalyze demands that no bytes off the network end the process.
func FuzzAnalyze(f *testing.F) {
	for _, sql := range []string{
		"", ";", "SELECT 1", "SELECT '\xff'", "\x00", "WITH RECURSIVE a AS (TABLE a) TABLE a", "EXPLAIN ANALYZE EXECUTE p",
		"SET TIME ZONE INTERVAL '1' HOUR", "DROP TRIGGER a ON b", "MERGE INTO a USING b ON c WHEN MATCHED THEN DO NOTHING",
		"CREATE SCHEMA a CREATE TABLE b (c int)", "SELECT * FROM ROWS FROM (f()) x", "COPY (SELECT 1) TO STDOUT",
	} {
		f.Add(sql)
	}
	a := pgquery.New()
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 1<<14 {
			return
		}
		facts, err := a.Analyze(sql)
		if reason(err) == parser.ReasonInternal {
			t.Errorf("%q: %v", sql, err)
		}
		if err == nil && (facts.Opaque() || len(facts.Statements) == 0) {
			t.Errorf("%q: %+v", sql, facts)
		}
	})
}
