package parser_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aioproxy/aioproxy/configs/configsize"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/pgquery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counting counts what reaches an Analyzer, and lets a test hold one text up.
type counting struct {
	parser.Analyzer
	calls atomic.Int64
	hold  string
	gate  chan struct{}
}

func (c *counting) Analyze(sql string) (*parser.Facts, error) {
	c.calls.Add(1)
	if c.hold != "" && sql == c.hold {
		<-c.gate
	}
	return c.Analyzer.Analyze(sql)
}

func newMemo() (*parser.Memo, *counting) {
	c := &counting{Analyzer: pgquery.New(), gate: make(chan struct{})}
	return parser.NewMemo(parser.DefaultConfig(), c), c
}

func facts(m *parser.Memo, sql string) *parser.Facts { return m.Facts([]byte(sql)) }

func TestSameTextIsParsedOnce(t *testing.T) {
	m, c := newMemo()
	first := facts(m, "SET work_mem = 1")
	require.Same(t, first, facts(m, "SET work_mem = 1"))
	require.EqualValues(t, 1, c.calls.Load())
}

func TestLiteralsShare(t *testing.T) {
	m, c := newMemo()
	first := facts(m, "SELECT * FROM t WHERE a = 1 AND b = 'x'")
	for i := range 10 {
		require.Same(t, first, facts(m, fmt.Sprintf("SELECT * FROM t WHERE a = %d AND b = 'y%d'", i+2, i)))
	}
	require.EqualValues(t, 1, c.calls.Load())
}

func TestLiteralsThatMatterDoNotShare(t *testing.T) {
	for _, pair := range [][2]string{
		{"SELECT * FROM t WHERE d = 'x'", "SELECT * FROM t WHERE d = 'now'"},
		{"SELECT set_config('a', 'b', false)", "SELECT set_config('c', 'b', false)"},
		{"SELECT nextval('a')", "SELECT nextval('b')"},
		{"SELECT pg_try_advisory_lock(1)", "SELECT pg_try_advisory_lock(2)"},
		{"SELECT dblink_exec('a')", "SELECT dblink_exec('b')"},
		{"SELECT 'a'::regclass", "SELECT 'b'::regclass"},
		{"SET a.b = 'x'", "SET a.b = 'y'"},
		{"SELECT 1; SELECT 2", "SELECT 1; SELECT 3"},
		{"SELECT 'a\\b'", "SELECT 'a\\c'"},
		{"NOTIFY a, 'x'", "NOTIFY a, 'y'"},
	} {
		m, c := newMemo()
		require.NotSame(t, facts(m, pair[0]), facts(m, pair[1]), pair)
		require.EqualValues(t, 2, c.calls.Load(), pair)
	}
}

func TestOpaque(t *testing.T) {
	cfg := parser.DefaultConfig()
	cfg.MaxTextBytes = configsize.KiB
	m := parser.NewMemo(cfg, pgquery.New())
	for text, reason := range map[string]string{
		"SELEC 1":                               parser.ReasonSyntax,
		"SELECT 'open":                          parser.ReasonSyntax,
		"SELECT 1\x00; DROP TABLE t":            parser.ReasonNUL,
		"SELECT '" + strings.Repeat("x", 1<<10): parser.ReasonTooLong,
	} {
		f := facts(m, text)
		require.Equal(t, reason, f.Reason)
		require.True(t, f.Opaque())
		require.Equal(t, parser.OpaqueText, f.Normalized)
		require.Equal(t, parser.Opaque, f.Single().Kind)
		require.Same(t, f, facts(m, text), "opaque facts cost no memory")
	}
	require.Equal(t, "primary", facts(m, "SELEC 1 /* aioproxy: route=primary */").Hints.Route)
	require.Zero(t, m.Stats().Entries)
}

func TestOtherLexing(t *testing.T) {
	m, _ := newMemo()
	as := func(sql string, l parser.Lexing) string { return m.FactsAs([]byte(sql), l).Reason }
	require.Equal(t, parser.ReasonEscapes, as(`SELECT 'a\'`, parser.BackslashStrings))
	require.Empty(t, as(`SELECT 'a\'`, 0))
	require.Empty(t, as(`SELECT E'a\\', "x\", $$\$$`, parser.BackslashStrings))
	require.Equal(t, parser.ReasonEncoding, as("SELECT 'é'", parser.UnsafeEncoding))
	require.Empty(t, as("SELECT 'e'", parser.UnsafeEncoding))
}

func TestBytesThatAreNotUTF8(t *testing.T) {
	m, _ := newMemo()
	f := facts(m, "SELECT '\xe9' FROM caf\xe9 WHERE a = '\xff\xfe'")
	require.Equal(t, parser.Select, f.Single().Kind)
	require.NotEqual(t, "café", f.Single().Reads[0].Name)
}

func TestMemoryIsBounded(t *testing.T) {
	cfg := parser.Config{MaxEntries: 320, MaxBytes: configsize.MiB, MaxTextBytes: 64 * configsize.KiB}
	m := parser.NewMemo(cfg, pgquery.New())
	long := strings.Repeat("x", 4000)
	for i := range 700 {
		facts(m, fmt.Sprintf("SELECT a%d FROM t", i))
		facts(m, fmt.Sprintf("SET a.b%d = '%s'", i, long))
	}
	s := m.Stats()
	require.LessOrEqual(t, s.Entries, 2*cfg.MaxEntries)
	require.LessOrEqual(t, s.Bytes, int(cfg.MaxBytes))
	require.Greater(t, s.Entries, 50)
}

func TestUsedTextsStay(t *testing.T) {
	c := &counting{Analyzer: pgquery.New()}
	m := parser.NewMemo(parser.Config{MaxEntries: 640, MaxBytes: 8 * configsize.MiB, MaxTextBytes: configsize.KiB}, c)
	hot := facts(m, "SHOW work_mem")
	for i := range 3000 {
		facts(m, fmt.Sprintf("SHOW a.b%d", i))
		require.Same(t, hot, facts(m, "SHOW work_mem"))
	}
	require.EqualValues(t, 3001, c.calls.Load())
}

// TestMissesWaitOnlyForTheirOwnText holds one text up in the analyzer while others are parsed.
func TestMissesWaitOnlyForTheirOwnText(t *testing.T) {
	m, c := newMemo()
	c.hold = "SHOW held"
	var wg sync.WaitGroup
	results := make([]*parser.Facts, 8)
	for i := range results {
		wg.Go(func() { results[i] = facts(m, c.hold) })
	}
	for i := range 50 {
		require.Equal(t, parser.Show, facts(m, fmt.Sprintf("SHOW free.x%d", i)).Single().Kind)
	}
	close(c.gate)
	wg.Wait()
	for _, f := range results {
		require.Equal(t, "held", f.Single().Setting.Name)
	}
}

func TestConcurrentUse(t *testing.T) {
	cfg := parser.Config{MaxEntries: 100, MaxBytes: configsize.MiB, MaxTextBytes: configsize.KiB}
	m := parser.NewMemo(cfg, pgquery.New())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				name := fmt.Sprintf("t%d", (i*7+g)%200)
				f := facts(m, fmt.Sprintf("SELECT * FROM %s WHERE a = %d", name, i%5))
				if got := f.Single().Reads[0].Name; got != name {
					t.Errorf("facts of %s for %s", got, name)
				}
			}
		})
	}
	wg.Wait()
}

func TestHitsDoNotAllocate(t *testing.T) {
	m, _ := newMemo()
	exact := []byte("SELECT * FROM t WHERE a = 1")
	m.Facts(exact)
	require.Zero(t, testing.AllocsPerRun(1000, func() { m.Facts(exact) }))
}

func TestValidate(t *testing.T) {
	require.NoError(t, parser.DefaultConfig().Validate())
	for _, c := range []struct {
		key    string
		change func(*parser.Config)
	}{
		{"parser.max_entries", func(c *parser.Config) { c.MaxEntries = 0 }},
		{"parser.max_memory", func(c *parser.Config) { c.MaxBytes = 1 }},
		{"parser.max_statement", func(c *parser.Config) { c.MaxTextBytes = 1 << 40 }},
	} {
		cfg := parser.DefaultConfig()
		c.change(&cfg)
		require.ErrorContains(t, cfg.Validate(), c.key)
	}
}

func TestAnalyzerErrorsAreTyped(t *testing.T) {
	_, err := pgquery.New().Analyze("SELEC 'secret'")
	var opaque *parser.OpaqueError
	require.True(t, errors.As(err, &opaque))
	require.Equal(t, parser.ReasonSyntax, opaque.Reason)
	require.NotContains(t, err.Error(), "secret")
}
