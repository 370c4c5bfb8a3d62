package catalog

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/parser"
)

var servers *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{}, func(c *testbed.Cluster) { servers = c }))
}

var databases atomic.Int64

// newTestDatabase creates a database, with the test schema if asked.
func newTestDatabase(t testing.TB, schema bool) string {
	t.Helper()
	name := fmt.Sprintf("catalog_%d", databases.Add(1))
	execute(t, "postgres", "CREATE DATABASE "+name)
	if schema {
		script, err := os.ReadFile("testdata/schema.sql")
		require.NoError(t, err)
		execute(t, name, string(script))
	}
	return name
}

// execute runs a script in a database as postgres.
func execute(t testing.TB, db, script string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), servers.Primary().DSN(db))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	_, err = conn.PgConn().Exec(t.Context(), script).ReadAll()
	require.NoError(t, err)
}

func dial(ctx context.Context, db string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, servers.Primary().DSN(db))
}

func newCatalog(cfg Config) *Catalog {
	return New(cfg, Deps{Connect: dial, Log: zap.NewNop(), Metrics: NewMetrics(nil)})
}

func names(list string) []parser.Name {
	var out []parser.Name
	for f := range strings.FieldsSeq(list) {
		schema, name, qualified := strings.Cut(f, ".")
		if !qualified {
			schema, name = "", f
		}
		out = append(out, parser.Name{Schema: schema, Name: strings.ReplaceAll(name, "_space_", " ")})
	}
	return out
}

// show writes a resolution down: what is not there is not mentioned.
func show(c *Catalog, db string, r *Resolution) string {
	if r == nil {
		return "nil"
	}
	var out []string
	text := func(key, v string) {
		if v != "" {
			out = append(out, key+"="+v)
		}
	}
	flag := func(name string, set bool) {
		if set {
			out = append(out, name)
		}
	}
	text("unknown", r.Unknown)
	text("reads", relationNames(c, db, r.Reads))
	text("writes", relationNames(c, db, r.Writes))
	text("writes?", r.WritesUnknown)
	text("reads?", r.ReadsUnknown)
	if r.Volatility != Immutable {
		text([]string{"", "stable", "volatile"}[r.Volatility], qualified(r.Function))
	}
	flag("effects", r.Effects)
	flag("state", r.SetsState)
	text("pins", r.Pins)
	flag("rls", r.RowSecurity)
	flag("temporary", r.Temporary)
	flag("unlogged", r.Unlogged)
	flag("foreign", r.Foreign)
	flag("system", r.System)
	flag("partitioned", r.Partitioned)
	flag("time", r.Time != parser.TimeUnused)
	if r.Rows > 0 {
		text("rows", fmt.Sprint(r.Rows))
	}
	return strings.Join(out, " ")
}

func relationNames(c *Catalog, db string, ids []RelID) string {
	var out []string
	for _, id := range ids {
		n, ok := c.RelationName(db, id)
		if !ok {
			return fmt.Sprintf("no name for %d", id)
		}
		out = append(out, strings.TrimPrefix(qualified(n), "app."))
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
