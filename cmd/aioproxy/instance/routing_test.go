package instance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/aioproxy/aioproxy/router"
)

// workload has relations that are big enough to be taken for what they look like.
const workload = `
CREATE TABLE users (id int PRIMARY KEY, name text, country text);
INSERT INTO users SELECT i, 'user ' || i, 'c' || i % 20 FROM generate_series(1, 20000) i;
CREATE TABLE events (id bigint, user_id int, at timestamptz NOT NULL, amount numeric) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
INSERT INTO events SELECT i, i % 20000, '2024-01-01'::timestamptz + i * interval '2 minutes', i % 100 FROM generate_series(1, 40000) i;
CREATE TABLE documents (id int PRIMARY KEY, body text);
INSERT INTO documents SELECT i, 'the quick brown fox ' || i FROM generate_series(1, 5000) i;
CREATE TABLE tiny AS SELECT generate_series(1, 10) AS id;
CREATE UNLOGGED TABLE quick (id int);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE abroad (id int) SERVER nowhere;
CREATE SEQUENCE seq;
CREATE TABLE log (id int);
CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); RETURN 1; END $$;
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE FUNCTION liar() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM nextval('seq'); RETURN 1; END $$;
CREATE VIEW hidden AS SELECT writes() AS w, id FROM tiny;
CREATE VIEW totals AS SELECT country, count(*) AS n FROM users GROUP BY country;
CREATE PROCEDURE proc() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
ANALYZE;`

func TestRoutes(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "route_table", workload)
	f := start(t, bed, nil)
	conn := connect(t, f.dsn(db))
	known(t, conn, "SELECT count(*) FROM tiny")
	for _, c := range []struct{ sql, want string }{
		{"SELECT name FROM users WHERE id = 7", "oltp primary class"},
		{"SELECT * FROM tiny", "oltp primary class"},
		{"SELECT count(*) FROM tiny", "oltp primary class"},
		{"SELECT twice(id) FROM users WHERE id = 7", "oltp primary class"},
		{"INSERT INTO log VALUES (1)", "oltp primary write"},
		{"UPDATE users SET name = name WHERE id = 1", "oltp primary write"},
		{"DELETE FROM log", "oltp primary write"},
		{"SELECT country, count(*) FROM users GROUP BY country", "olap replica class"},
		{"SELECT count(*) FROM users", "olap replica class"},
		{"SELECT id, rank() OVER (ORDER BY id) FROM users LIMIT 3", "olap replica class"},
		{"WITH u AS (SELECT country, count(*) AS n FROM users GROUP BY 1) SELECT max(n) FROM u", "olap replica class"},
		{"EXPLAIN SELECT country, count(*) FROM users GROUP BY country", "olap replica class"},
		{"EXPLAIN ANALYZE SELECT country, count(*) FROM users GROUP BY country", "olap replica class"},
		{"EXPLAIN ANALYZE INSERT INTO log VALUES (1)", "oltp primary write"},
		{"SELECT count(*) FROM documents WHERE to_tsvector('english', body) @@ to_tsquery('fox')", "search replica class"},
		{"SELECT date_trunc('day', at), sum(amount) FROM events GROUP BY 1", "timeseries replica class"},
		{"SELECT count(*) FROM events WHERE at >= '2024-01-05' AND at < '2024-01-06'", "timeseries replica class"},
		{"CREATE TABLE made (id int)", "ddl primary schema_change"},
		{"DROP TABLE made", "ddl primary schema_change"},
		{"TRUNCATE log", "ddl primary write"},
		{"CREATE TABLE made AS SELECT * FROM tiny", "ddl primary creates_table"},
		{"VACUUM tiny", "maintenance primary maintenance_command"},
		{"ANALYZE tiny", "maintenance primary maintenance_command"},
		{"SHOW TimeZone", "session primary session_command"},
		{"SET work_mem = '8MB'", "session primary session_command"},
		{"RESET work_mem", "session primary session_command"},
		{"SELECT count(*) FROM users WHERE writes() = 1 AND false", "olap primary function_effects"},
		{"SELECT * FROM hidden LIMIT 0", "oltp primary function_effects"},
		{"SELECT nextval('seq')", "oltp primary function_effects"},
		{"SELECT pg_advisory_xact_lock(1), count(*) FROM users", "olap primary function_effects"},
		{"SELECT txid_current()", "oltp primary function_effects"},
		{"SELECT set_config('my.x', 'y', false)", "oltp primary function_state"},
		{"SELECT pg_is_in_recovery(), count(*) FROM users", "olap primary system_relation"},
		{"SELECT current_setting('max_parallel_workers_per_gather'), count(*) FROM users", "olap primary system_relation"},
		{"SELECT count(*) FROM (SELECT * FROM users FOR UPDATE) u", "oltp primary locks"},
		{"SELECT country FROM users WHERE id = 1 FOR SHARE", "oltp primary locks"},
		{"SELECT count(*) FROM quick", "oltp primary unlogged_relation"},
		{"SELECT count(*) FROM abroad", "oltp primary foreign_relation"},
		{"SELECT count(*) FROM pg_class", "oltp primary system_relation"},
		{"SELECT count(*) FROM information_schema.tables", "oltp primary system_relation"},
		{"SELECT count(*) FROM nowhere", "oltp primary unknown_name"},
		{"WITH w AS (DELETE FROM log RETURNING *) SELECT count(*) FROM w", "oltp primary write"},
		{"SELECT count(*) FROM users; INSERT INTO log VALUES (1)", "olap primary write"},
		{"SELECT count(*) FROM users; SELECT count(*) FROM users", "olap replica class"},
		{"DO $$ BEGIN END $$", "oltp primary procedure"},
		{"COPY (SELECT country, count(*) FROM users GROUP BY 1) TO STDOUT", "olap primary copy"},
		{"SELEC", "oltp primary opaque"},
		{"/* aioproxy: route=replica */ SELECT name FROM users WHERE id = 7", "oltp replica hint"},
		{"/* aioproxy: route=primary */ SELECT country, count(*) FROM users GROUP BY 1", "olap primary hint"},
		{"/* aioproxy: class=olap */ SELECT name FROM users WHERE id = 7", "olap replica hint"},
		{"/* aioproxy: route=replica */ INSERT INTO log VALUES (1)", "oltp primary write"},
		{"/* aioproxy: route=replica */ SELECT * FROM hidden LIMIT 0", "oltp primary function_effects"},
		{"/* aioproxy: route=replica */ SELECT id FROM users WHERE id = 1 FOR UPDATE", "oltp primary locks"},
	} {
		until(t, "the catalog is known again", func() bool {
			_, _ = trySimple(t.Context(), conn, "/* aioproxy: cache=off */ "+c.sql)
			h := lastOf(t, conn)
			if h.reason == "catalog_unknown" || h.reason == "replica_behind" {
				return false
			}
			if got := h.class + " " + h.target + " " + h.reason; got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
			}
			return true
		})
	}
}

// onReplica asks until the replica has caught up.
func onReplica(t *testing.T, conn *pgx.Conn, sql string) happened {
	t.Helper()
	var h happened
	until(t, "the replica answers "+sql, func() bool {
		_, err := trySimple(t.Context(), conn, sql)
		require.NoError(t, err, sql)
		h = lastOf(t, conn)
		return h.reason != "replica_behind" && h.reason != "catalog_unknown"
	})
	return h
}

func TestSessionsSteerThemselves(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "route_session", workload)
	f := start(t, bed, nil)
	conn := connect(t, f.dsn(db))
	const point, groups = "SELECT name FROM users WHERE id = 7", "SELECT country, count(*) FROM users GROUP BY 1"
	known(t, conn, point)
	route := func(conn *pgx.Conn, sql string) string {
		t.Helper()
		h := onReplica(t, conn, "/* aioproxy: cache=off */ "+sql)
		return h.target + " " + h.reason
	}
	exec(t, conn, "SET aioproxy.route = 'replica'")
	require.Equal(t, "replica session", route(conn, point))
	require.Equal(t, "primary write", route(conn, "INSERT INTO log VALUES (1)"))
	require.Equal(t, "primary hint", route(conn, "/* aioproxy: route=primary */ "+point))
	exec(t, conn, "SET aioproxy.route = 'primary'")
	require.Equal(t, "primary session", route(conn, groups))
	exec(t, conn, "RESET aioproxy.route")
	require.Equal(t, "replica class", route(conn, groups))
	exec(t, conn, "BEGIN", "SET aioproxy.route = 'replica'", "ROLLBACK")
	require.Equal(t, "primary class", route(conn, point))
	options := connect(t, f.dsn(db)+" options='-c aioproxy.route=replica'")
	require.Equal(t, "replica session", route(options, point))

	t.Run("transactions", func(t *testing.T) {
		for begin, want := range map[string]string{
			"BEGIN": "primary", "BEGIN READ ONLY": "replica", "START TRANSACTION READ ONLY ISOLATION LEVEL REPEATABLE READ": "replica",
			"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY": "primary", "BEGIN READ WRITE": "primary",
		} {
			until(t, "not behind", func() bool {
				exec(t, conn, begin, groups)
				h := lastOf(t, conn)
				exec(t, conn, groups)
				inside := lastOf(t, conn)
				exec(t, conn, "COMMIT")
				if h.reason == "replica_behind" {
					return false
				}
				require.Equal(t, want, h.target, begin)
				require.Equal(t, want+" held", inside.target+" "+inside.reason, begin)
				return true
			})
		}
		exec(t, conn, "SET default_transaction_read_only = on")
		until(t, "a replica takes it", func() bool {
			exec(t, conn, "ROLLBACK", "BEGIN", groups)
			return lastOf(t, conn).target == "replica"
		})
		_, err := trySimple(t.Context(), conn, "INSERT INTO log VALUES (1)")
		require.ErrorContains(t, err, "read-only transaction")
		exec(t, conn, "ROLLBACK", "RESET default_transaction_read_only", "SET default_transaction_isolation = 'serializable'")
		require.Equal(t, "primary serializable", route(conn, groups))
	})
}

func TestRulesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "route_rules", workload,
		"DROP ROLE IF EXISTS route_analyst", "CREATE ROLE route_analyst LOGIN IN ROLE trusted", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO route_analyst")
	t.Cleanup(func() {
		require.NoError(t, bed.Primary().Exec(context.WithoutCancel(t.Context()), db, "DROP OWNED BY route_analyst", "DROP ROLE route_analyst"))
	})
	no := false
	f := start(t, bed, func(cfg *configs.Config) {
		cfg.Router.Rules = []router.Rule{
			{Match: router.Match{Table: "documents"}, Route: "primary", Cache: &no},
			{Match: router.Match{Role: "route_analyst"}, Class: "olap"},
			{Match: router.Match{Application: "report*"}, Route: "replica", Settings: router.SettingsMap{"work_mem": "77MB"}},
			{Match: router.Match{Database: "elsewhere"}, Route: "primary"},
			{Match: router.Match{Fingerprint: fingerprintOf(t, "SELECT country FROM users WHERE id = 1")}, Route: "replica"},
		}
	})
	const point = "SELECT name FROM users WHERE id = 7"
	const search = "SELECT count(*) FROM documents WHERE to_tsvector('english', body) @@ to_tsquery('fox')"
	conn := connect(t, f.dsn(db))
	known(t, conn, point)
	got := func(conn *pgx.Conn, sql string) string {
		h := onReplica(t, conn, "/* aioproxy: cache=off */ "+sql)
		return fmt.Sprint(h.class, " ", h.target, " ", h.reason)
	}
	require.Equal(t, "oltp primary class", got(conn, point))
	require.Equal(t, "search primary rule", got(conn, search))
	_, h := simple(t, conn, search)
	require.Equal(t, "class_off", h.cacheReason)
	require.Equal(t, "oltp replica rule", got(conn, "SELECT country FROM users WHERE id = 2"))
	analyst := connect(t, strings.Replace(f.dsn(db), "user=postgres", "user=route_analyst", 1))
	require.Equal(t, "olap replica rule", got(analyst, point))
	reporter := connect(t, f.dsn(db)+" application_name=reports")
	require.Equal(t, "oltp replica rule", got(reporter, point))
	exec(t, conn, "SET application_name = 'reporting'")
	require.Equal(t, "oltp replica rule", got(conn, point))
}

func fingerprintOf(t *testing.T, sql string) string {
	t.Helper()
	f, err := pgquery.New().Analyze(sql)
	require.NoError(t, err)
	return fmt.Sprintf("%016x", f.Fingerprint)
}

// The settings of a class are those of the statement on the replica, and nobody else ever sees them.
func TestClassSettingsAreInForceOnTheReplica(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "route_settings", workload,
		"ALTER TABLE users SET (parallel_workers = 2)",
		"CREATE FUNCTION seen(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN current_setting($1); END $$")
	f := start(t, bed, func(cfg *configs.Config) {
		cfg.Router.Classes.OLAP.Settings = router.SettingsMap{
			"max_parallel_workers_per_gather": "2", "parallel_setup_cost": "0", "parallel_tuple_cost": "0", "work_mem": "55MB",
			"min_parallel_table_scan_size": "0",
		}
		cfg.Router.Classes.OLAP.QueryTimeout = 500 * time.Millisecond
		cfg.Pool.MaxConnections = 1
	})
	conn := connect(t, f.dsn(db))
	const groups = "EXPLAIN (COSTS OFF) SELECT country, count(*) FROM users GROUP BY 1"
	known(t, conn, groups)
	require.Equal(t, "replica", onReplica(t, conn, groups).target)
	rows, _ := simple(t, conn, groups)
	require.Contains(t, fmt.Sprint(rows), "Workers Planned: 2")
	memory := func(conn *pgx.Conn, sql string) string {
		t.Helper()
		onReplica(t, conn, sql)
		rows, _ := simple(t, conn, sql)
		return rows[0][0]
	}
	const inClass = "/* aioproxy: class=olap, cache=off */ SELECT seen('work_mem') FROM users WHERE id = 1"
	const outside = "/* aioproxy: route=replica, cache=off */ SELECT seen('work_mem') FROM users WHERE id = 1"
	require.Equal(t, "55MB", memory(conn, inClass))
	require.Equal(t, "4MB", memory(conn, outside))
	other := connect(t, f.dsn(db))
	require.Equal(t, "4MB", memory(other, outside))
	exec(t, other, "SET work_mem = '9MB'")
	require.Equal(t, "9MB", memory(other, inClass), "what the client chose wins")
	require.Equal(t, "55MB", memory(conn, inClass))
	require.Equal(t, "9MB", memory(other, outside))
	_, err := trySimple(t.Context(), conn, "/* aioproxy: class=olap, cache=off */ SELECT pg_sleep(5) FROM users WHERE id = 1")
	require.ErrorContains(t, err, "statement timeout")
	exec(t, conn, "/* aioproxy: route=replica, cache=off */ SELECT pg_sleep(0.7) FROM users WHERE id = 1")
}
