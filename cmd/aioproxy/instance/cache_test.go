package instance_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

func TestCacheThroughDrivers(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_drivers", itemsSchema)
	f := start(t, bed, keepAll)
	known(t, connect(t, f.dsn(db)), "SELECT count(*) FROM items")
	const query = "SELECT name, price::text, at FROM items WHERE id = $1"
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
		pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			conn := connect(t, f.dsn(db))
			var hits []string
			for range 3 {
				var name, price string
				var at time.Time
				require.NoError(t, conn.QueryRow(t.Context(), query+" -- "+mode.String(), mode, 3).Scan(&name, &price, &at))
				require.Equal(t, "item 3 3.75", name+" "+price)
				hits = append(hits, lastOf(t, conn).cache)
			}
			require.Equal(t, []string{"miss", "hit", "hit"}, hits)
		})
	}
	t.Run("lib/pq", func(t *testing.T) {
		pool, err := sql.Open("postgres", f.dsn(db))
		require.NoError(t, err)
		defer func() { require.NoError(t, pool.Close()) }()
		pool.SetMaxOpenConns(1)
		stmt, err := pool.Prepare(query)
		require.NoError(t, err)
		defer func() { require.NoError(t, stmt.Close()) }()
		for _, want := range []string{"miss", "hit", "hit"} {
			var name, price, class, target, node, reason, cache, why, pin, wait, took string
			var at time.Time
			require.NoError(t, stmt.QueryRow(4).Scan(&name, &price, &at))
			require.Equal(t, "item 4 5.00", name+" "+price)
			require.NoError(t, pool.QueryRow("SHOW aioproxy.last").Scan(&class, &target, &node, &reason, &cache, &why, &pin, &wait, &took))
			require.Equal(t, want, cache)
		}
	})
}

// Every setting that can change a result is part of the key, and what the session then gets is what a direct connection
// with that setting gets.
func TestCacheKeyCoversSettings(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_settings", itemsSchema,
		"CREATE SCHEMA s2", "CREATE TABLE s2.items AS SELECT id, 'two' AS name, price, at, data, ratio FROM items",
		"DROP ROLE IF EXISTS cache_reader", "CREATE ROLE cache_reader", "GRANT SELECT ON items TO cache_reader", "ANALYZE")
	t.Cleanup(func() {
		require.NoError(t, bed.Primary().Exec(context.WithoutCancel(t.Context()), db, "DROP OWNED BY cache_reader", "DROP ROLE cache_reader"))
	})
	f := start(t, bed, keepAll)
	const query = "SELECT id, name, price, at, data, ratio, at - '2023-12-01' AS d, current_setting('my.x', true) IS NULL FROM items WHERE id < 3 ORDER BY id"
	const plain = "SELECT id, name, price, at, data, ratio, at - '2023-12-01' AS d FROM items WHERE id < 3 ORDER BY id"
	known(t, connect(t, f.dsn(db)), plain)
	for _, setting := range []string{
		"TimeZone = 'Asia/Tokyo'", "DateStyle = 'German, DMY'", "IntervalStyle = 'sql_standard'", "extra_float_digits = -5",
		"bytea_output = 'escape'", "search_path = s2, public", "client_encoding = 'LATIN1'", "ROLE cache_reader", "my.x = 'y'",
		"enable_seqscan = off",
	} {
		t.Run(setting, func(t *testing.T) {
			conn, direct := connect(t, f.dsn(db)), connect(t, bed.Primary().DSN(db))
			before, err := trySimple(t.Context(), direct, plain)
			require.NoError(t, err)
			rows, _ := simple(t, conn, plain)
			require.Equal(t, before, rows)
			exec(t, conn, "SET "+setting)
			exec(t, direct, "SET "+setting)
			set, err := trySimple(t.Context(), direct, plain)
			require.NoError(t, err)
			rows, h := simple(t, conn, plain)
			require.Equal(t, set, rows)
			require.Equal(t, "miss", h.cache, h)
			rows, h = simple(t, conn, plain)
			require.Equal(t, set, rows)
			require.Equal(t, "hit", h.cache)
			name, _, _ := strings.Cut(setting, " ")
			exec(t, conn, "RESET "+name)
			rows, h = simple(t, conn, plain)
			require.Equal(t, before, rows)
			want := "hit"
			if strings.Contains(name, ".") {
				want = "miss" // a custom setting that was there once is empty from then on, not absent
			}
			require.Equal(t, want, h.cache, h)
		})
	}
	_, h := simple(t, connect(t, f.dsn(db)), query)
	require.Equal(t, "context_function", h.cacheReason)
	t.Run("in a transaction that is rolled back", func(t *testing.T) {
		conn := connect(t, f.dsn(db))
		want, _ := simple(t, conn, plain)
		exec(t, conn, "BEGIN", "SET search_path = s2", "ROLLBACK")
		rows, _ := simple(t, conn, plain)
		require.Equal(t, want, rows)
	})
	t.Run("start-up options", func(t *testing.T) {
		conn := connect(t, f.dsn(db)+" options='-c search_path=s2 -c TimeZone=Asia/Tokyo'")
		rows, h := simple(t, conn, "/* start-up */ "+plain)
		require.Equal(t, "two", rows[0][1])
		require.Equal(t, "miss", h.cache)
		rows, h = simple(t, connect(t, f.dsn(db)), "/* start-up */ "+plain)
		require.Equal(t, "item 1", rows[0][1])
		require.Equal(t, "miss", h.cache)
	})
}

func TestCacheIsNotSharedBetweenUsers(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_users", itemsSchema,
		"DROP ROLE IF EXISTS cache_alice", "DROP ROLE IF EXISTS cache_bob",
		"CREATE ROLE cache_alice LOGIN IN ROLE trusted", "CREATE ROLE cache_bob LOGIN IN ROLE trusted",
		"GRANT SELECT ON items TO cache_alice", "CREATE VIEW mine AS SELECT current_user::text AS who, id FROM items",
		"GRANT SELECT ON mine TO cache_alice, cache_bob")
	t.Cleanup(func() {
		require.NoError(t, bed.Primary().Exec(context.WithoutCancel(t.Context()), db, "DROP OWNED BY cache_alice, cache_bob", "DROP ROLE cache_alice, cache_bob"))
	})
	f := start(t, bed, keepAll)
	as := func(user string) *pgx.Conn {
		return connect(t, strings.Replace(f.dsn(db), "user=postgres", "user="+user, 1))
	}
	alice, bob := as("cache_alice"), as("cache_bob")
	const query = "SELECT sum(price) FROM items"
	known(t, alice, query)
	_, h := one(t, alice, query)
	require.Equal(t, "miss", h.cache)
	_, h = one(t, alice, query)
	require.Equal(t, "hit", h.cache)
	_, err := trySimple(t.Context(), bob, query)
	require.ErrorContains(t, err, "permission denied")
	admin := connect(t, f.dsn(db))
	exec(t, admin, "GRANT SELECT ON items TO cache_bob")
	known(t, bob, query)
	_, h = one(t, bob, query)
	require.Equal(t, "miss", h.cache)
	exec(t, admin, "REVOKE SELECT ON items FROM cache_alice")
	for range 2 {
		_, err = trySimple(t.Context(), alice, query)
		require.ErrorContains(t, err, "permission denied")
	}
	known(t, bob, query)
	for _, c := range []struct {
		conn *pgx.Conn
		who  string
	}{{alice, "cache_alice"}, {bob, "cache_bob"}, {alice, "cache_alice"}} {
		who, _ := one(t, c.conn, "SELECT who FROM mine WHERE id = 1")
		require.Equal(t, c.who, who)
	}
}

func TestCacheLeavesOut(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_out", itemsSchema,
		"CREATE FUNCTION noisy(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'x'; RETURN $1; END $$",
		"CREATE FUNCTION sure(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1'",
		"CREATE UNLOGGED TABLE quick (id int)", "CREATE SEQUENCE seq")
	f := start(t, bed, func(cfg *configs.Config) { keepAll(cfg); cfg.Cache.MaxResultSize = 4 << 10 })
	conn := connect(t, f.dsn(db))
	known(t, conn, "SELECT count(*) FROM items")
	for _, c := range []struct{ sql, cache, reason string }{
		{"SELECT id FROM items WHERE random() >= 0 AND id = 1", "bypass", "volatile_function"},
		{"SELECT id, now() FROM items WHERE id = 1", "bypass", "time_in_output"},
		{"SELECT id, current_date FROM items WHERE id = 1", "bypass", "time_in_output"},
		{"SELECT id FROM items WHERE at < now() AND id = 1", "bypass", "time_in_condition"},
		{"SELECT id FROM items WHERE at < 'now'::timestamptz AND id = 1", "bypass", "time_in_condition"},
		{"SELECT id FROM items WHERE id = 1 FOR UPDATE", "bypass", "locking"},
		{"SELECT id, inet_server_port() FROM items WHERE id = 1", "bypass", ""},
		{"SELECT id, current_setting('TimeZone') FROM items WHERE id = 1", "bypass", "context_function"},
		{"SELECT id, current_user FROM items WHERE id = 1", "hit", "memory"}, // the user and the role are in the key
		{"SELECT id, pg_backend_pid() FROM items WHERE id = 1", "bypass", ""},
		{"SELECT relname FROM pg_class WHERE relname = 'items'", "bypass", "system_catalog"},
		{"SELECT count(*) FROM quick", "bypass", "unlogged_table"},
		{"SELECT last_value FROM seq", "bypass", ""},
		{"SELECT 1", "bypass", "no_table"},
		{"/* aioproxy: cache=off */ SELECT id FROM items WHERE id = 1", "bypass", "off"},
		{"SELECT id FROM items WHERE id = 1; SELECT id FROM items WHERE id = 2", "bypass", "not_single"},
		{"EXPLAIN SELECT id FROM items WHERE id = 1", "bypass", "not_select"},
		{"TABLE other", "hit", "memory"},
		{"VALUES (1), ((SELECT max(id) FROM items))", "hit", "memory"},
		{"SELECT sure(id) FROM items WHERE id = 1", "hit", "memory"},
		{"SELECT noisy(id) FROM items WHERE id = 1", "miss", "cacheable"},         // came with a notice
		{"SELECT repeat('x', 8000) FROM items WHERE id = 1", "miss", "cacheable"}, // too large
		{"SELECT repeat('x', 800) FROM items WHERE id < 20", "miss", "cacheable"}, // too large in several rows
		{"SELECT repeat('x', 800) FROM items WHERE id = 1", "hit", "memory"},
		{"SELECT to_tsvector('english', name) FROM items WHERE id = 1", "hit", "memory"},
	} {
		var h happened
		for range 3 {
			_, h = simple(t, conn, c.sql)
		}
		require.Equal(t, c.cache, h.cache, "%s: %+v", c.sql, h)
		if c.reason != "" {
			require.Equal(t, c.reason, h.cacheReason, c.sql)
		}
	}
	for range 3 {
		_, err := trySimple(t.Context(), conn, "SELECT 1 / (id - 1) FROM items ORDER BY id DESC")
		require.ErrorContains(t, err, "division by zero")
		require.Equal(t, "miss", lastOf(t, conn).cache)
	}
}

func TestCacheIsBypassedWhereTheSessionHoldsItsConnection(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_held", itemsSchema)
	f := start(t, bed, keepAll)
	conn := connect(t, f.dsn(db))
	const query = "SELECT name FROM items WHERE id = 1"
	known(t, conn, query)
	one(t, conn, query)
	_, h := one(t, conn, query)
	require.Equal(t, "hit", h.cache)
	exec(t, conn, "BEGIN", "UPDATE items SET name = 'mine' WHERE id = 1")
	name, h := one(t, conn, query)
	require.Equal(t, "mine bypass", name+" "+h.cache)
	exec(t, conn, "ROLLBACK", "CREATE TEMP TABLE items AS SELECT 1 AS id, 'temporary'::text AS name")
	name, h = one(t, conn, query)
	require.Equal(t, "temporary bypass temporary_table", name+" "+h.cache+" "+h.pin)
	exec(t, conn, "DROP TABLE pg_temp.items")
	until(t, "hits again", func() bool {
		name, h = one(t, conn, query)
		require.Equal(t, "item 1", name)
		return h.cache == "hit"
	})
}

func TestCacheSwitches(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_switches", itemsSchema)
	f := start(t, bed, func(cfg *configs.Config) { cfg.Cache.MinCost = 0 }) // class oltp is not cached
	conn := connect(t, f.dsn(db))
	const query = "SELECT name FROM items WHERE id = 1"
	known(t, conn, query)
	twice := func(sql string) happened {
		one(t, conn, sql)
		_, h := one(t, conn, sql)
		return h
	}
	require.Equal(t, "class_off", twice(query).cacheReason)
	require.Equal(t, "hit", twice("/* aioproxy: cache=on */ "+query).cache)
	exec(t, conn, "SET aioproxy.cache = on")
	require.Equal(t, "hit", twice(query).cache)
	require.Equal(t, "off", twice("/* aioproxy: cache=off */ "+query).cacheReason)
	exec(t, conn, "SET aioproxy.cache = 'off'")
	require.Equal(t, "off", twice(query).cacheReason)
	require.Equal(t, "off", twice("SELECT count(*) FROM items GROUP BY id > 3 LIMIT 1").cacheReason)
	exec(t, conn, "RESET aioproxy.cache")
	require.Equal(t, "class_off", twice(query).cacheReason)
	options := connect(t, f.dsn(db)+" options='-c aioproxy.cache=on'")
	one(t, options, query)
	_, h := one(t, options, query)
	require.Equal(t, "hit", h.cache)
}

func TestCacheTimeToLiveAndCost(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_ttl", itemsSchema,
		"CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_sleep(0.15); RETURN $1; END $$")
	f := start(t, bed, func(cfg *configs.Config) {
		keepAll(cfg)
		cfg.Router.Classes.OLTP.TTL, cfg.Router.Classes.OLTP.TimeTTL = 700*time.Millisecond, 300*time.Millisecond
	})
	conn := connect(t, f.dsn(db))
	known(t, conn, "SELECT count(*) FROM items")
	for sql, ttl := range map[string]time.Duration{
		"SELECT name FROM items WHERE id = 1":                700 * time.Millisecond,
		"SELECT count(*) FROM items WHERE at < now()":        300 * time.Millisecond,
		"SELECT count(*) FROM items WHERE at < current_date": 300 * time.Millisecond,
	} {
		began := time.Now()
		_, h := one(t, conn, sql)
		require.Equal(t, "miss", h.cache, sql)
		_, h = one(t, conn, sql)
		require.Equal(t, "hit", h.cache, sql)
		until(t, "expired: "+sql, func() bool { _, h = one(t, conn, sql); return h.cache == "miss" })
		require.GreaterOrEqual(t, time.Since(began), ttl, sql)
		require.Less(t, time.Since(began), ttl+2*time.Second, sql)
	}
	costly := start(t, bed, func(cfg *configs.Config) { keepAll(cfg); cfg.Cache.MinCost = 100 * time.Millisecond })
	conn = connect(t, costly.dsn(db))
	known(t, conn, "SELECT count(*) FROM items")
	cheap, dear := "SELECT name FROM items WHERE id = 1", "SELECT slow(id) FROM items WHERE id = 1"
	for _, c := range []struct{ sql, want string }{{cheap, "miss"}, {cheap, "miss"}, {dear, "miss"}, {dear, "hit"}} {
		_, h := simple(t, conn, c.sql)
		require.Equal(t, c.want, h.cache, c.sql)
	}
}

func TestCacheStampedeRunsOnce(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_stampede", itemsSchema,
		"CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN $1; END $$")
	f := start(t, bed, keepAll)
	const clients = 20
	conns := make([]*pgx.Conn, clients)
	for i := range conns {
		conns[i] = connect(t, f.dsn(db))
	}
	known(t, conns[0], "SELECT count(*) FROM items")
	exec(t, conns[0], "SELECT slow(1) FROM items WHERE id = 1")
	query := "SELECT slow(id) FROM items WHERE id = 7"
	var all sync.WaitGroup
	results := make([]string, clients)
	statuses := make([]happened, clients)
	gate := make(chan struct{})
	for i, conn := range conns {
		all.Go(func() {
			<-gate
			rows, err := trySimple(t.Context(), conn, query)
			results[i] = fmt.Sprint(rows, err)
		})
	}
	close(gate)
	all.Wait()
	misses := 0
	for i, conn := range conns {
		require.Equal(t, "[[7]] <nil>", results[i])
		statuses[i] = lastOf(t, conn)
		if statuses[i].cache == "miss" {
			misses++
		}
	}
	require.Equal(t, 1, misses, statuses)
}

// A statement that was prepared before its table changed is refused as on a direct connection, also where the cache has what it
// returns by now. Other DDL sends it to a server once more, and then the cache answers again.
func TestCachedResultHasTheStatementsShape(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_shape", itemsSchema)
	f := start(t, bed, keepAll)
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	const query = "SELECT * FROM items WHERE id = 1"
	run := func(conn *pgx.Conn, name string) (cache string, err error) {
		if name == "" {
			err = conn.PgConn().ExecParams(t.Context(), query, nil, nil, nil, nil).Read().Err
		} else {
			err = conn.PgConn().ExecPrepared(t.Context(), name, nil, nil, nil).Read().Err
		}
		return lastOf(t, conn).cache, err
	}
	untilHit := func(conn *pgx.Conn, name string) {
		until(t, "the result is kept", func() bool {
			cache, err := run(conn, name)
			require.NoError(t, err)
			return cache == "hit"
		})
	}
	prepare := func(name string) {
		_, err := a.PgConn().Prepare(t.Context(), name, query, nil)
		require.NoError(t, err)
	}
	known(t, b, query)
	prepare("s")
	untilHit(a, "s")
	exec(t, b, "ALTER TABLE items ADD COLUMN extra int")
	known(t, b, query)
	untilHit(b, "")
	_, err := run(a, "s")
	require.ErrorContains(t, err, "0A000")
	prepare("again")
	untilHit(a, "again")
	exec(t, b, "CREATE TABLE unrelated ()")
	known(t, b, query)
	untilHit(b, "")
	untilHit(a, "again")
}
