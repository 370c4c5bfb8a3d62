package instance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/configs/configsize"
)

// judgeEffects are those of shape, experience, parser and catalog.
func judgeEffects() []effect {
	classOf := func(sql string) func(*testing.T, *front) string {
		return func(t *testing.T, f *front) string {
			_, h := simple(t, client(t, f), unique(sql))
			return h.class
		}
	}
	smallest := func(cfg *configs.Config) { cfg.Router.Shape.SmallTableRows = 1 } // items has 51 rows
	return []effect{
		trial{keys: []string{"shape.small_table_rows"}, see: classOf("SELECT name, count(*) FROM items GROUP BY name"), steps: []step{
			{nil, "oltp"}, {smallest, "olap"},
		}}.effect("shape.small_table_rows"),
		trial{keys: []string{"shape.aggregate_rows"}, base: smallest, see: classOf("SELECT count(*) FROM items"), steps: []step{
			{nil, "oltp"}, {func(cfg *configs.Config) { cfg.Router.Shape.AggregateRows = 51 }, "olap"},
		}}.effect("shape.aggregate_rows"),
		trial{keys: []string{"shape.scan_rows"}, base: smallest, see: classOf("SELECT name FROM items"), steps: []step{
			{nil, "oltp"}, {func(cfg *configs.Config) { cfg.Router.Shape.ScanRows = 51 }, "olap"},
		}}.effect("shape.scan_rows"),
		trial{keys: []string{"experience.slow"}, base: learnAtOnce, see: seeLearnt, steps: []step{
			{nil, "olap"}, {func(cfg *configs.Config) { cfg.Router.Experience.Slow = time.Hour }, "oltp"},
		}}.effect("experience.slow"),
		trial{keys: []string{"experience.calls"}, base: learnAtOnce, see: seeLearnt, steps: []step{
			{nil, "olap"}, {func(cfg *configs.Config) { cfg.Router.Experience.Calls = 100 }, "oltp"},
		}}.effect("experience.calls"),
		trial{keys: []string{"experience.fast"}, see: seeUnlearnt, base: func(cfg *configs.Config) {
			learnAtOnce(cfg)
			cfg.Router.Experience.Slow = 100 * time.Millisecond
		}, steps: []step{
			{nil, "olap"}, {func(cfg *configs.Config) { cfg.Router.Experience.Fast = 90 * time.Millisecond }, "oltp"},
		}}.effect("experience.fast"),
		trial{keys: []string{"experience.entries"}, base: learnAtOnce, see: seeRemembered, steps: []step{
			{nil, "olap"}, {func(cfg *configs.Config) { cfg.Router.Experience.Entries = 1 }, "oltp"},
		}}.effect("experience.entries"),
		trial{keys: []string{"parser.max_statement"}, see: seeLongText, steps: []step{
			{nil, "class"}, {func(cfg *configs.Config) { cfg.Parser.MaxTextBytes = configsize.KiB }, "opaque"},
		}}.effect("parser.max_statement"),
		{"catalog_refresh", []string{"catalog_refresh"}, showRefresh},
		trial{keys: []string{"catalog_max_databases"}, see: seeSecondDatabase, steps: []step{
			{nil, "known"}, {func(cfg *configs.Config) { cfg.Catalog.MaxDatabases = 1 }, "unknown"},
		}}.effect("catalog_max_databases"),
	}
}

func learnAtOnce(cfg *configs.Config) {
	cfg.Router.Experience.Slow, cfg.Router.Experience.Fast, cfg.Router.Experience.Calls = 1, 0, 1
	cfg.Router.Classes.OLAP.Route, cfg.Router.Classes.OLAP.Cache = "primary", false
}

// distinct is a read with a fingerprint that no other has: functions in an order of its own.
func distinct() string {
	n := serial.Add(1)
	expression := "ratio"
	for ; n > 0; n /= 2 {
		expression = []string{"abs", "floor"}[n%2] + "(" + expression + ")"
	}
	return "SELECT " + expression + " FROM items WHERE id = 1"
}

// seeLearnt is the class of a statement that ran a few times.
func seeLearnt(t *testing.T, f *front) string {
	conn, sql := client(t, f), distinct()
	simple(t, conn, sql)
	simple(t, conn, sql)
	_, h := simple(t, conn, sql)
	return h.class
}

// seeUnlearnt is the class of a statement that took long once and then was fast.
func seeUnlearnt(t *testing.T, f *front) string {
	conn := client(t, f)
	table, release := hold(t)
	sql := strings.Replace(distinct(), "items", table, 1)
	text := unique(sql)
	done := running(t, conn, text)
	awaitBlocked(t, text, 1)
	<-time.After(soon / 2) // what the statement shall take, not a wait for something
	release()
	require.NoError(t, <-done)
	require.Equal(t, "olap", classAfter(t, conn, sql, 1))
	return classAfter(t, conn, sql, 30)
}

func classAfter(t *testing.T, conn *pgx.Conn, sql string, runs int) (class string) {
	t.Helper()
	for range runs {
		_, h := simple(t, conn, sql)
		class = h.class
	}
	return class
}

// seeRemembered is the class that a statement had learnt, after many others.
func seeRemembered(t *testing.T, f *front) string {
	conn, sql := client(t, f), distinct()
	require.Equal(t, "olap", classAfter(t, conn, sql, 2))
	for range 200 {
		exec(t, conn, distinct())
	}
	return classAfter(t, conn, sql, 1)
}

func seeLongText(t *testing.T, f *front) string {
	_, h := one(t, client(t, f), unique(probe+strings.Repeat(" OR id = 1", 200)))
	return h.reason
}

// showRefresh changes a table on the server itself. The one that looks often notices and the other one does not.
func showRefresh(t *testing.T) {
	db := sample(t, bed, "keys_refresh", itemsSchema)
	run := func(refresh time.Duration) *pgx.Conn {
		f := start(t, bed, func(cfg *configs.Config) { cfg.Catalog.RefreshInterval = refresh })
		conn := connect(t, f.dsn(db))
		known(t, conn, probe)
		return conn
	}
	often, seldom := run(time.Second), run(time.Hour)
	require.NoError(t, bed.Primary().Exec(t.Context(), db, "ALTER TABLE other SET UNLOGGED", "ALTER TABLE items SET UNLOGGED"))
	until(t, "the change is noticed", func() bool {
		_, h := one(t, often, probe)
		return h.reason == "unlogged_relation"
	})
	_, h := one(t, seldom, probe)
	require.Equal(t, "class", h.reason)
}

func seeSecondDatabase(t *testing.T, f *front) string {
	client(t, f)
	conn := connect(t, f.dsn("postgres"))
	for end := time.Now().Add(soon); time.Now().Before(end); {
		if _, h := simple(t, conn, "SELECT 1"); h.reason != "catalog_unknown" {
			return "known"
		}
	}
	return "unknown"
}
