package instance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/router"
)

// probe is a read that every rule and class of these tests is tried with.
const probe = "SELECT name FROM items WHERE id = 1"

// classEffects shows each key of each class on reads that a rule puts into it. What is put into a class by its own nature
// has the tests that follow.
func classEffects() []effect {
	var out []effect
	for _, class := range router.Classes() {
		key := "classes." + class.String()
		base := func(cfg *configs.Config) {
			cfg.Cache.MinCost = 0
			cfg.Cluster.ReplicaWait = time.Second
			cfg.Pool.AcquireTimeout = soon / 4
			cfg.Router.Rules = []router.Rule{{Match: router.Match{Database: keysDB}, Class: class.String()}}
			*cfg.Router.Classes.Get(class) = router.ClassConfig{Route: "primary", Cache: true}
		}
		set := func(apply func(*router.ClassConfig)) change {
			return func(cfg *configs.Config) { apply(cfg.Router.Classes.Get(class)) }
		}
		try := func(name string, see func(*testing.T, *front) string, apply func(*router.ClassConfig), was, is string) {
			out = append(out, trial{
				keys: []string{key + "." + name}, base: base, see: see, steps: []step{{nil, was}, {set(apply), is}},
			}.effect(key+"."+name))
		}
		try("route", seeTarget, func(c *router.ClassConfig) { c.Route = "replica" }, "primary", "replica")
		try("cache", seeCache, func(c *router.ClassConfig) { c.Cache = false }, "hit", "bypass")
		try("ttl", seeLifetime, func(c *router.ClassConfig) { c.TTL = soon / 8 }, "kept", "expired")
		try("time_ttl", seeTimed, func(c *router.ClassConfig) { c.TimeTTL = time.Hour }, "bypass", "hit")
		try("query_timeout", seeBlockedRead, func(c *router.ClassConfig) { c.QueryTimeout = soon / 8 }, "waits", "57014")
		try("max_concurrency", seeCrowdOfReads, func(c *router.ClassConfig) { c.MaxConcurrency = 1 }, "ok", "53300")
		try("settings", seePlanned, func(c *router.ClassConfig) { c.Settings = router.SettingsMap{"work_mem": "77MB"} }, "not set", "77MB")
	}
	return append(out, workEffects("ddl", router.DDL, "COMMENT ON TABLE %s IS 'x'", seeIndexed),
		workEffects("maintenance", router.Maintenance, "ANALYZE %s", seeAnalysed))
}

// workEffects shows on statements that are of a class by nature and no reads what a class says about them.
func workEffects(name string, class router.Class, statement string, settings func(*testing.T, *front) string) effect {
	on := func(table string) string { return strings.Replace(statement, "%s", table, 1) }
	key := "classes." + name
	base := func(cfg *configs.Config) { cfg.Pool.AcquireTimeout = soon / 4 }
	set := func(c router.ClassConfig) change {
		return func(cfg *configs.Config) {
			c.Route = "primary"
			*cfg.Router.Classes.Get(class) = c
		}
	}
	return effect{name: key + " by nature", keys: []string{key + ".query_timeout"}, show: func(t *testing.T) {
		trial{
			keys: []string{key + ".query_timeout"}, base: base,
			see:   func(t *testing.T, f *front) string { return blocked(t, f, on) },
			steps: []step{{nil, "waits"}, {set(router.ClassConfig{QueryTimeout: soon / 8}), "57014"}},
		}.run(t, bed)
		trial{
			keys: []string{key + ".max_concurrency"}, base: base,
			see:   func(t *testing.T, f *front) string { return crowd(t, f, on) },
			steps: []step{{nil, "ok"}, {set(router.ClassConfig{MaxConcurrency: 1}), "53300"}},
		}.run(t, bed)
		trial{
			keys: []string{key + ".settings"}, base: base, see: settings,
			steps: []step{{nil, "4MB"}, {set(router.ClassConfig{Settings: router.SettingsMap{"work_mem": "77MB"}}), "77MB"}},
		}.run(t, bed)
	}}
}

func seeClass(t *testing.T, f *front) string {
	_, h := one(t, client(t, f), unique(probe))
	return h.class
}

func seeTarget(t *testing.T, f *front) string {
	_, h := one(t, client(t, f), unique(probe))
	return h.target
}

// cachedAgain is what the cache did with a text when it came the second time.
func cachedAgain(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	sql = unique(sql)
	simple(t, conn, sql)
	_, h := simple(t, conn, sql)
	return h.cache
}

func seeCache(t *testing.T, f *front) string { return cachedAgain(t, client(t, f), probe) }

func seeTimed(t *testing.T, f *front) string {
	return cachedAgain(t, client(t, f), "SELECT name FROM items WHERE id = 1 AND at < now()")
}

func seeLifetime(t *testing.T, f *front) string { return lifetime(t, client(t, f), probe) }

// lifetime tells whether a kept result is still there after a while.
func lifetime(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	sql = unique(sql)
	simple(t, conn, sql)
	for end := time.Now().Add(soon / 2); time.Now().Before(end); {
		switch _, h := simple(t, conn, sql); h.cache {
		case "hit":
		case "miss":
			return "expired"
		default:
			return h.cache
		}
	}
	return "kept"
}

func selectOn(table string) string {
	return "/* aioproxy: cache=off */ SELECT name FROM " + table + " WHERE id = 1"
}

func seeBlockedRead(t *testing.T, f *front) string { return blocked(t, f, selectOn) }

func seeCrowdOfReads(t *testing.T, f *front) string { return crowd(t, f, selectOn) }

// blocked tells how a statement fares that has to wait for a lock.
func blocked(t *testing.T, f *front, on func(table string) string) string {
	t.Helper()
	table, release := hold(t)
	defer release()
	return attempt(t, client(t, f), unique(on(table)))
}

// crowd tells how a statement fares beside another one that waits for a lock.
func crowd(t *testing.T, f *front, on func(table string) string) string {
	t.Helper()
	table, release := hold(t)
	defer release()
	text := unique(on(table))
	first := running(t, client(t, f), text)
	awaitBlocked(t, text, 1)
	second := connect(t, f.dsn(keysDB))
	ctx, stop := contextFor(t, 5*time.Second)
	defer stop()
	_, err := trySimple(ctx, second, unique(on("items")))
	release()
	require.NoError(t, <-first)
	return outcome(err)
}

// seePlanned tells what the server had as work_mem when it planned a read.
func seePlanned(t *testing.T, f *front) string {
	rows, _ := simple(t, client(t, f), "EXPLAIN (SETTINGS) "+probe)
	for _, r := range rows {
		if strings.Contains(r[0], "work_mem = '77MB'") {
			return "77MB"
		}
	}
	return "not set"
}

func seeIndexed(t *testing.T, f *front) string {
	return heard(t, f, "CREATE INDEX noise_index ON noise (noisy(id))", "DROP INDEX noise_index")
}

func seeAnalysed(t *testing.T, f *front) string { return heard(t, f, "ANALYZE noise_indexed") }

// heard returns the work_mem that function noisy had in statements.
func heard(t *testing.T, f *front, statements ...string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(f.dsn(keysDB))
	require.NoError(t, err)
	said := ""
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if value, ok := strings.CutPrefix(n.Message, "work_mem is "); ok {
			said = value
		}
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	exec(t, conn, statements...)
	return said
}
