package instance_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

// visit connects, does something that leaves idle server connections on all nodes, and goes.
func visit(t *testing.T, f *front, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.dsn(database))
	require.NoError(t, err)
	exec(t, conn, "CREATE TABLE IF NOT EXISTS visited (id int)", "INSERT INTO visited VALUES (1)")
	for range 3 {
		exec(t, conn, "SELECT count(*) FROM visited", "/* aioproxy: route=replica */ SELECT * FROM visited")
	}
	require.NoError(t, conn.Close(context.WithoutCancel(t.Context())))
}

// saying is the outcome of a statement as PostgreSQL words it.
func saying(ctx context.Context, conn *pgx.Conn, sql string) string {
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	var said *pgconn.PgError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &said):
		return said.Code + " " + said.Message + " " + said.Detail
	}
	return err.Error()
}

// TestIdleConnectionsAreInNobodysWay: what needs a database to itself does not find the pool's idle connections there.
func TestIdleConnectionsAreInNobodysWay(t *testing.T) {
	t.Parallel()
	f := start(t, bed, func(cfg *configs.Config) { cfg.Pool.MinConnections = 2 })
	admin := connect(t, f.dsn("postgres"))
	exec(t, admin, "CREATE DATABASE way_a")
	quick := func(sql string) {
		t.Helper()
		began := time.Now()
		exec(t, admin, sql)
		require.Less(t, time.Since(began), 4*time.Second, "%s: PostgreSQL waits five seconds for others", sql)
	}
	visit(t, f, "way_a")
	quick("CREATE DATABASE way_b TEMPLATE 'way_a'")
	visit(t, f, "way_b")
	visit(t, f, "way_a")
	quick("ALTER DATABASE way_a RENAME TO way_c")
	visit(t, f, "way_c")
	_, err := pgx.Connect(t.Context(), f.dsn("way_a"))
	var said *pgconn.PgError
	require.ErrorAs(t, err, &said)
	require.Equal(t, "3D000", said.Code)
	quick("ALTER DATABASE way_c SET TABLESPACE pg_default")
	visit(t, f, "way_b")
	quick("DROP DATABASE way_b")
	visit(t, f, "way_c")
	quick("DROP DATABASE way_c WITH (FORCE)")
	_, err = pgx.Connect(t.Context(), f.dsn("way_c"))
	require.ErrorAs(t, err, &said)
	require.Equal(t, "3D000", said.Code)
}

// TestLiveSessionsAreInTheWay: where another client is connected to the database, PostgreSQL refuses, as on direct connections.
func TestLiveSessionsAreInTheWay(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "CREATE DATABASE live_direct", "CREATE DATABASE live_proxied")
	connect(t, bed.Primary().DSN("live_direct"))
	inside := connect(t, f.dsn("live_proxied"))
	exec(t, inside, "SELECT 1")
	proxied := connect(t, f.dsn("postgres"))
	other := connect(t, bed.Primary().DSN("postgres"))
	var want, got string
	var both sync.WaitGroup // PostgreSQL takes five seconds to refuse
	both.Go(func() { want = saying(t.Context(), other, "DROP DATABASE live_direct") })
	both.Go(func() { got = saying(t.Context(), proxied, "DROP DATABASE live_proxied") })
	both.Wait()
	require.Equal(t, "55006 database \"live_direct\" is being accessed by other users There is 1 other session using the database.", want)
	require.Equal(t, "55006 database \"live_proxied\" is being accessed by other users There is 1 other session using the database.", got)
	exec(t, inside, "SELECT 1")
	require.NoError(t, inside.Close(t.Context()))
	exec(t, proxied, "DROP DATABASE live_proxied")
}

// TestSuccessorsAreNotTakenForTheirPredecessors: a database that was dropped and made again under its name starts from nothing.
func TestSuccessorsAreNotTakenForTheirPredecessors(t *testing.T) {
	t.Parallel()
	f := start(t, bed, keepAll)
	admin := connect(t, f.dsn("postgres"))
	for i := range 3 {
		exec(t, admin, "DROP DATABASE IF EXISTS successor", "CREATE DATABASE successor")
		conn, err := pgx.Connect(t.Context(), f.dsn("successor"))
		require.NoError(t, err, "right after CREATE DATABASE")
		for range 2 {
			require.Equal(t, "42P01 relation \"t\" does not exist ", saying(t.Context(), conn, "SELECT n FROM t"))
		}
		exec(t, conn, "CREATE TABLE t (n int)", "INSERT INTO t SELECT "+string(rune('1'+i)))
		known(t, conn, "SELECT n FROM t")
		for range 3 {
			rows, _ := simple(t, conn, "SELECT n FROM t")
			require.Equal(t, string(rune('1'+i)), rows[0][0])
		}
		require.NoError(t, conn.Close(t.Context()))
	}
	exec(t, admin, "DROP DATABASE successor")
}

// TestLoginsSeeWhatWasAltered: who connects after ALTER ROLE or ALTER DATABASE gets what that says, and whoever was connected
// before goes on as before.
func TestLoginsSeeWhatWasAltered(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "altered", "CREATE SCHEMA a", "CREATE SCHEMA b", "CREATE TABLE a.t AS SELECT 'a' AS v", "CREATE TABLE b.t AS SELECT 'b' AS v",
		"DROP ROLE IF EXISTS altered_role, altered_new", "CREATE ROLE altered_role LOGIN IN ROLE trusted",
		"GRANT USAGE ON SCHEMA a, b TO PUBLIC", "GRANT SELECT ON a.t, b.t TO PUBLIC", "ALTER ROLE altered_role SET search_path = a")
	t.Cleanup(func() {
		require.NoError(t, bed.Primary().Exec(context.WithoutCancel(t.Context()), db, "DROP ROLE IF EXISTS altered_role, altered_new"))
	})
	f := start(t, bed, keepAll)
	admin := connect(t, f.dsn(db))
	dsn := f.dsn(db) + " user=altered_role"
	value := func(conn *pgx.Conn, sql string) string {
		t.Helper()
		rows, _ := simple(t, conn, sql)
		return rows[0][0]
	}
	before := connect(t, dsn)
	known(t, before, "SELECT v FROM t")
	for range 3 {
		require.Equal(t, "a", value(before, "SELECT v FROM t"))
	}
	for _, alter := range []struct{ sql, path, style string }{
		{"ALTER ROLE altered_role SET search_path = b", "b", "ISO, MDY"},
		{"ALTER ROLE altered_role IN DATABASE " + db + " SET datestyle = 'German'", "b", "German, DMY"},
		{"ALTER ROLE altered_role RESET ALL", `"$user", public`, "German, DMY"},
		{"ALTER DATABASE " + db + " SET search_path = a", "a", "German, DMY"},
		{"BEGIN; ALTER ROLE altered_role IN DATABASE " + db + " RESET ALL; COMMIT", "a", "ISO, MDY"},
		{"DO $$ BEGIN EXECUTE 'ALTER ROLE altered_role SET search_path = b'; END $$", "b", "ISO, MDY"},
	} {
		exec(t, admin, alter.sql)
		after := connect(t, dsn)
		require.Equal(t, alter.style, after.PgConn().ParameterStatus("DateStyle"), alter.sql)
		for range 3 {
			require.Equal(t, alter.path, value(after, "SHOW search_path"), alter.sql)
			if alter.path == "a" || alter.path == "b" {
				require.Equal(t, alter.path, value(after, "SELECT v FROM t"), alter.sql)
			}
			require.Equal(t, "a", value(before, "SELECT v FROM t"), alter.sql)
		}
		require.NoError(t, after.Close(t.Context()))
	}
	refused := func(why string) {
		t.Helper()
		_, err := pgx.Connect(t.Context(), dsn)
		_, want := pgx.Connect(t.Context(), bed.Primary().DSN(db)+"&user=altered_role")
		var w, g *pgconn.PgError
		require.ErrorAs(t, want, &w, why)
		require.ErrorAs(t, err, &g, why)
		require.Equal(t, w.Code+w.Message+w.Detail, g.Code+g.Message+g.Detail)
	}
	exec(t, admin, "ALTER ROLE altered_role NOLOGIN")
	refused("NOLOGIN")
	exec(t, admin, "ALTER ROLE altered_role LOGIN", "REVOKE CONNECT ON DATABASE "+db+" FROM PUBLIC")
	refused("CONNECT")
	exec(t, admin, "GRANT CONNECT ON DATABASE "+db+" TO PUBLIC")
	require.NoError(t, before.Close(t.Context()))
	exec(t, admin, "ALTER ROLE altered_role RENAME TO altered_new")
	_, err := pgx.Connect(t.Context(), dsn)
	require.Error(t, err, "there is no such role any more")
	exec(t, admin, "DROP ROLE altered_new", "CREATE ROLE altered_role LOGIN IN ROLE trusted")
	require.Equal(t, "altered_role", value(connect(t, dsn), "SELECT session_user"))
}

// TestPasswordsAreForgotten: a new password counts for the next login, whatever is remembered of the old one.
func TestPasswordsAreForgotten(t *testing.T) {
	t.Parallel()
	f := start(t, bed, func(cfg *configs.Config) { cfg.Auth.Method, cfg.Auth.CacheTTL = auth.MethodSCRAM, time.Minute })
	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "CREATE ROLE forgotten SUPERUSER LOGIN PASSWORD 'one'")
	t.Cleanup(func() {
		_, err := direct.Exec(context.Background(), "DROP ROLE forgotten")
		require.NoError(t, err)
	})
	login := func(password string) (*pgx.Conn, error) {
		return pgx.Connect(t.Context(), f.dsn("postgres")+" user=forgotten password="+password)
	}
	conn, err := login("one")
	require.NoError(t, err)
	exec(t, conn, "ALTER ROLE forgotten PASSWORD 'two'")
	require.NoError(t, conn.Close(t.Context()))
	_, err = login("one")
	require.ErrorContains(t, err, "28P01")
	conn, err = login("two")
	require.NoError(t, err)
	exec(t, conn, "SELECT 1")
	require.NoError(t, conn.Close(t.Context()))
}
