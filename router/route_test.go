package router

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/stretchr/testify/require"
)

// testRules are what testdata/wishes.txt speaks about.
func testRules() []Rule {
	minute, off := time.Minute, false
	return []Rule{
		{Match: Match{Role: "analyst"}, Class: "olap", TTL: &minute, Settings: SettingsMap{"work_mem": "256MB"}},
		{Match: Match{Table: "bank.ledger"}, Route: "primary", Cache: &off, Consistency: "session"},
		{Match: Match{Application: "report-*"}, Route: "replica", TTL: new(time.Hour)},
		{Match: Match{Class: "search", Database: "archive"}, Route: "primary"},
	}
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Rules = testRules()
	return cfg
}

// testCase is one block of a file in testdata.
type testCase struct{ line, sql, with, want string }

func readCases(t *testing.T, path string) []testCase {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var cases []testCase
	var now testCase
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		key, value, _ := strings.Cut(scan.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "sql":
			now = testCase{line: fmt.Sprintf("%s:%d", path, n), sql: value}
		case "with":
			now.with = value
		case "want":
			now.want = value
			cases = append(cases, now)
		default:
			require.True(t, key == "" || strings.HasPrefix(key, "#"), "%s:%d: %q", path, n, key)
		}
	}
	require.NoError(t, scan.Err())
	return cases
}

func factsOf(t testing.TB, sql string) *parser.Facts {
	t.Helper()
	f, err := pgquery.New().Analyze(sql)
	if err != nil {
		return &parser.Facts{Reason: "syntax"}
	}
	return f
}

// inputFor turns the words of "with:" into an input. Without words: a replica is usable, the catalog knows all names.
func inputFor(t *testing.T, sql, with string) Input {
	t.Helper()
	names := &catalog.Resolution{}
	in := Input{Facts: []*parser.Facts{factsOf(t, sql)}, Names: []*catalog.Resolution{names}, Replicas: true, Database: "app", User: "app"}
	for _, word := range strings.Fields(with) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "rows":
			rows, err := strconv.ParseFloat(value, 64)
			require.NoError(t, err)
			names.Rows = rows
		case "calls":
			names.Function, names.Volatility = parser.Name{Schema: "pg_catalog", Name: value}, catalog.Volatile
		default:
			setWord(t, &in, names, key, value)
		}
	}
	return in
}

func setWord(t *testing.T, in *Input, names *catalog.Resolution, key, value string) {
	t.Helper()
	flags := map[string]*bool{
		"partitioned": &names.Partitioned, "temporary": &names.Temporary, "unlogged": &names.Unlogged,
		"foreign": &names.Foreign, "system": &names.System, "effects": &names.Effects, "state": &names.SetsState,
		"held": &in.InTransaction, "too_large": &in.TooLarge, "serializable": &in.Serializable, "read_only": &in.ReadOnly, "no_primary": &in.NoPrimary,
		"prepares": &in.PreparesOnly,
	}
	texts := map[string]*string{
		"unknown": &names.Unknown, "pins": &names.Pins, "route": &in.Override.Route, "user": &in.User,
		"role": &in.Role, "application": &in.Application, "database": &in.Database,
	}
	switch {
	case key == "no_replicas":
		in.Replicas = false
	case key == "no_catalog":
		in.Names[0] = nil
	case flags[key] != nil:
		*flags[key] = true
	case texts[key] != nil:
		*texts[key] = value
	default:
		t.Fatalf("unknown word %q", key)
	}
}

func TestRoute(t *testing.T) {
	r := New(testConfig())
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, path := range files {
		for _, c := range readCases(t, path) {
			t.Run(c.line, func(t *testing.T) {
				d := r.Route(inputFor(t, c.sql, c.with))
				got := fmt.Sprint(d.Class, " ", d.Target, " ", d.Reason)
				if d.Rule >= 0 {
					got += fmt.Sprint(" ", d.Rule)
				}
				require.Equal(t, c.want, got, "%s [%s]", c.sql, c.with)
				if d.Target == Replica {
					require.Equal(t, d.Reason != ReadOnlyTransaction, d.Read)
				}
			})
		}
	}
}

func TestReadIsOnlySaidOfWhatMayRunTwice(t *testing.T) {
	r := New(DefaultConfig())
	for with, want := range map[string]bool{"": true, "held": false, "too_large": false, "no_catalog": false, "effects": false} {
		require.Equal(t, want, r.Route(inputFor(t, "SELECT * FROM users WHERE id = 1", with)).Read, with)
	}
}

func TestPolicyIsThatOfTheClassAndItsRules(t *testing.T) {
	r := New(testConfig())
	d := r.Route(inputFor(t, "SELECT * FROM users WHERE id = 1", "user=analyst application=report-1"))
	require.Equal(t, Policy{Cache: true, TTL: time.Minute, Settings: []Setting{{"max_parallel_workers_per_gather", "4"}, {"work_mem", "256MB"}}}, d.Policy,
		"the first rule's ttl wins, its settings are laid over those of the class")
	d = r.Route(inputFor(t, "SELECT country, count(*) FROM ledger GROUP BY country", "rows=20000"))
	require.False(t, d.Policy.Cache)
	require.Equal(t, SessionLevel, d.Consistency)
	d = r.Route(inputFor(t, "SELECT current_setting('max_parallel_workers_per_gather'), count(*) FROM users GROUP BY 1", "rows=20000"))
	require.Equal(t, OLAP, d.Class)
	require.Empty(t, d.Policy.Settings, "it would see the settings of the class")
}

func TestConsistencyComesFromTheMostSpecificPlace(t *testing.T) {
	cfg := testConfig()
	cfg.Consistency = "eventual"
	r := New(cfg)
	in := inputFor(t, "SELECT * FROM users", "")
	require.Equal(t, Eventual, r.Route(in).Consistency)
	in = inputFor(t, "SELECT * FROM ledger", "")
	require.Equal(t, SessionLevel, r.Route(in).Consistency)
	in.Override.Consistency = "global"
	require.Equal(t, Global, r.Route(in).Consistency)
	in.Facts[0] = factsOf(t, "/* aioproxy: consistency=eventual */ SELECT * FROM ledger")
	require.Equal(t, Eventual, r.Route(in).Consistency)
}

func TestRequestsOfSeveralTextsAreReadsTogether(t *testing.T) {
	r := New(DefaultConfig())
	in := inputFor(t, "SELECT country, count(*) FROM users GROUP BY country", "rows=20000")
	in.Facts = append(in.Facts, factsOf(t, "SELECT 1"))
	in.Names = append(in.Names, &catalog.Resolution{})
	require.Equal(t, Replica, r.Route(in).Target)
	in.Facts[1] = factsOf(t, "UPDATE users SET id = 1")
	d := r.Route(in)
	require.Equal(t, Primary, d.Target)
	require.Equal(t, Write, d.Reason)
}

func TestARuleByFingerprint(t *testing.T) {
	cfg := DefaultConfig()
	in := inputFor(t, "SELECT * FROM users WHERE id = 1", "")
	require.NotZero(t, in.Facts[0].Fingerprint)
	cfg.Rules = []Rule{{Match: Match{Fingerprint: strconv.FormatUint(in.Facts[0].Fingerprint, 16)}, Class: "search"}}
	require.NoError(t, cfg.Validate())
	r := New(cfg)
	require.Equal(t, Search, r.Route(in).Class)
	require.Equal(t, OLTP, r.Route(inputFor(t, "SELECT 1", "")).Class)
}

func TestSwapAppliesToTheNextRequest(t *testing.T) {
	r := New(DefaultConfig())
	in := inputFor(t, "SELECT country, count(*) FROM users GROUP BY country", "rows=20000")
	require.Equal(t, Replica, r.Route(in).Target)
	cfg := testConfig()
	cfg.Classes.OLAP.Route = "primary"
	r.Swap(cfg)
	require.Equal(t, Primary, r.Route(in).Target)
	rule, ok := r.Rule(1)
	require.True(t, ok)
	require.Equal(t, "bank.ledger", rule.Match.Table)
	_, ok = r.Rule(4)
	require.False(t, ok)
}

func TestReasonsAreLabelsAndSentences(t *testing.T) {
	seen := map[string]bool{}
	for _, reason := range Reasons() {
		require.Regexp(t, `^[a-z]+(_[a-z]+)*$`, reason.String())
		require.NotEmpty(t, reason.Explain(), reason.String())
		require.False(t, seen[reason.String()], reason.String())
		seen[reason.String()] = true
	}
}

func TestRouteDoesNotAllocate(t *testing.T) {
	r := New(testConfig())
	in := inputFor(t, "SELECT country, count(*) FROM users GROUP BY country", "rows=20000 application=report-1")
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Route(in) }))
}

func BenchmarkRoute(b *testing.B) {
	r := New(testConfig())
	names := &catalog.Resolution{Rows: 20000}
	in := Input{Facts: []*parser.Facts{factsOf(b, "SELECT country, count(*) FROM users GROUP BY country")}, Names: []*catalog.Resolution{names}, Replicas: true}
	b.ReportAllocs()
	for b.Loop() {
		r.Route(in)
	}
}
