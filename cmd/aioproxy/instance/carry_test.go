package instance_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/router"
)

// A statement must not run under other settings than it was promised: if they cannot be taken, it is not sent.
func TestStatementDoesNotRunWithoutItsSettings(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Router.Classes.OLTP.Settings = router.SettingsMap{"work_mem": "much"}
	})
	direct := connect(t, bed.Primary().DSN("postgres"))
	_, err := direct.Exec(t.Context(), "CREATE TABLE carried (a int)")
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = direct.Exec(context.Background(), "DROP TABLE carried") })
	conn := connect(t, f.dsn("postgres")+" default_query_exec_mode=simple_protocol")
	for range 2 {
		_, err = conn.Exec(t.Context(), "INSERT INTO carried VALUES (1)")
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "22023", refused.Code)
	}
	var rows int
	require.NoError(t, direct.QueryRow(t.Context(), "SELECT count(*) FROM carried").Scan(&rows))
	assert.Zero(t, rows)
	_, err = conn.Exec(t.Context(), "SET application_name = 'still here'")
	assert.NoError(t, err, "the session goes on")
}

// A text that PostgreSQL's parser refuses has changed nothing: a typing error empties no cache.
func TestSyntaxErrorVoidsNothing(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) { c.Cache.MinCost = 0 })
	direct := connect(t, bed.Primary().DSN("postgres"))
	_, err := direct.Exec(t.Context(), "CREATE TABLE kept AS SELECT i, i % 5 AS g FROM generate_series(1, 20000) i; ANALYZE kept")
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = direct.Exec(context.Background(), "DROP TABLE kept") })
	conn := connect(t, f.dsn("postgres")+" default_query_exec_mode=simple_protocol")
	query := func() {
		_, err := conn.Exec(t.Context(), "SELECT g, count(*) FROM kept GROUP BY g")
		require.NoError(t, err)
	}
	until(t, "the aggregate is answered from the cache", func() bool { query(); return lastOf(t, conn).cache == "hit" })
	_, err = conn.Exec(t.Context(), "SELEKT 1")
	require.Error(t, err)
	query()
	assert.Equal(t, "hit", lastOf(t, conn).cache)
	_, err = conn.Exec(t.Context(), "BEGIN; INSERT INTO kept VALUES (1, 1); COMMIT; SELEKT 1")
	require.Error(t, err, "refused as a whole")
	query()
	assert.Equal(t, "hit", lastOf(t, conn).cache)
	writer := connect(t, f.dsn("postgres")+" default_query_exec_mode=simple_protocol")
	_, err = writer.Exec(t.Context(), "DO $$ BEGIN INSERT INTO kept VALUES (1, 1); END $$")
	require.NoError(t, err)
	query()
	assert.NotEqual(t, "hit", lastOf(t, conn).cache)

	_, err = direct.Exec(t.Context(), `CREATE OR REPLACE PROCEDURE commits_and_fails() LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO kept VALUES (1, 1); COMMIT; EXECUTE 'SELEKT 1'; END $$`)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = direct.Exec(context.Background(), "DROP PROCEDURE commits_and_fails()") })
	until(t, "the aggregate is kept again", func() bool { query(); return lastOf(t, conn).cache == "hit" })
	caller := connect(t, f.dsn("postgres")+" default_query_exec_mode=simple_protocol") // it is pinned afterwards and reads no cache
	_, err = caller.Exec(t.Context(), "CALL commits_and_fails()")
	require.ErrorContains(t, err, "42601")
	query()
	assert.NotEqual(t, "hit", lastOf(t, conn).cache, "a part of it was committed")
}
