package cachepolicy

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var servers *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{}, func(c *testbed.Cluster) { servers = c }))
}

// volatilities returns the worst volatility of each built-in function that a statement can call.
func volatilities(t *testing.T) map[string]string {
	t.Helper()
	ctx := context.Background()
	conn, err := servers.Primary().Connect(ctx, "postgres")
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT proname::text, max(provolatile::text) FROM pg_proc
		WHERE pronamespace = 'pg_catalog'::regnamespace AND NOT 'internal'::regtype = ANY (proargtypes) GROUP BY 1`)
	require.NoError(t, err)
	found := make(map[string]string)
	for rows.Next() {
		var name, volatility string
		require.NoError(t, rows.Scan(&name, &volatility))
		found[name] = volatility
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(found), 1000)
	return found
}

func TestFunctionsAreAsListed(t *testing.T) {
	server := volatilities(t)
	for name, section := range listed {
		v, ok := server[name]
		switch {
		case !ok:
			t.Errorf("%s is not a function of this PostgreSQL", name)
		case section == "immutable" && v != "i":
			t.Errorf("%s is listed as immutable and is %q", name, v)
		case section != "immutable" && v != "s":
			t.Errorf("%s is listed as stable and is %q", name, v)
		}
	}
}

// TestStableFunctionsAreJudged finds the stable functions that nobody has thought about. They would bypass the cache.
func TestStableFunctionsAreJudged(t *testing.T) {
	for name, v := range volatilities(t) {
		if v != "s" || isSupport(name) {
			continue
		}
		judged := harmless(parser.Name{Name: name}) || contextual(name)
		assert.True(t, judged, "%s is stable and in no section", name)
	}
}

// isSupport reports whether a function is what an operator, type or language is made of, and not called by name.
func isSupport(name string) bool {
	for _, suffix := range []string{"_in", "_out", "_recv", "_send", "in", "out", "recv", "send", "_validator", "_timestamptz", "_timestamp", "_date", "_interval"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	switch name {
	case "anytextcat", "textanycat", "in_range", "ts_match_tq", "ts_match_tt", "convert", "xml", "money", "numeric":
		return true
	}
	return false
}
