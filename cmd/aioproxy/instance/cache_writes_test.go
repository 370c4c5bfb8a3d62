package instance_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// writesSchema has a way around for each kind of write: every one of them changes what watched returns.
const writesSchema = `
CREATE TABLE t (id int PRIMARY KEY, n int);
INSERT INTO t SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE spare (id int, n int);
INSERT INTO spare VALUES (1001, 1), (1002, 2);
CREATE VIEW v AS SELECT id, n FROM t;
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 100);
CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, n int DEFAULT 1);
INSERT INTO child SELECT generate_series(1, 100);
CREATE TABLE p (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
INSERT INTO p SELECT i, i FROM generate_series(1, 150) i;
CREATE TABLE source (id int);
CREATE TABLE log (id int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END $$;
CREATE TRIGGER note AFTER INSERT ON source FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET n = n + 1 WHERE id = 1; RETURN 1; END $$;
CREATE FUNCTION bump_sql() RETURNS int LANGUAGE sql AS 'UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n';
CREATE FUNCTION bump_dynamic(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'UPDATE ' || what || ' SET n = n + 1 WHERE id = 1'; RETURN 1; END $$;
CREATE VIEW bumping AS SELECT bump() AS b;
CREATE PROCEDURE bump_all() LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET n = n + 1; COMMIT; END $$;
CREATE TABLE ruled (id int);
CREATE RULE to_t AS ON INSERT TO ruled DO INSTEAD UPDATE t SET n = n + 1 WHERE id = NEW.id;
CREATE MATERIALIZED VIEW mat AS SELECT sum(n) AS s FROM spare;
CREATE TABLE changing (id int, n int);
INSERT INTO changing SELECT i, i FROM generate_series(1, 10) i;
CREATE TABLE base2 AS SELECT id, n + 1000 AS n FROM t;
CREATE VIEW shifting AS SELECT id, n FROM t;
ANALYZE;`

const (
	sumT      = "SELECT sum(n) + count(*) FROM t"
	sumV      = "SELECT sum(n) + count(*) FROM v WHERE id > 0"
	sumChild  = "SELECT sum(id) + count(*) FROM child"
	sumP      = "SELECT sum(n) + count(*) FROM p"
	sumP1     = "SELECT sum(n) + count(*) FROM p1"
	sumLog    = "SELECT count(*) FROM log"
	sumMat    = "SELECT s FROM mat"
	sumShift  = "SELECT sum(n) FROM shifting"
	sumChange = "SELECT count(*) || ':' || coalesce(sum(n), 0) FROM changing"
)

var writes = []struct{ name, read, write string }{
	{"insert", sumT, "INSERT INTO t VALUES (200, 1)"},
	{"insert on conflict", sumT, "INSERT INTO t VALUES (200, 5) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n"},
	{"update", sumT, "UPDATE t SET n = n + 1 WHERE id = 1"},
	{"delete", sumT, "DELETE FROM t WHERE id = 200"},
	{"merge", sumT, "MERGE INTO t USING spare s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n) WHEN MATCHED THEN DELETE"},
	{"returning", sumT, "UPDATE t SET n = n + 1 WHERE id = 2 RETURNING n"},
	{"read through a view", sumV, "UPDATE t SET n = n + 1 WHERE id = 1"},
	{"written through a view", sumT, "UPDATE v SET n = n + 1 WHERE id = 1"},
	{"view to view", sumV, "UPDATE v SET n = n + 1 WHERE id = 1"},
	{"partition by its parent", sumP1, "UPDATE p SET n = n + 1 WHERE id = 1"},
	{"parent by its partition", sumP, "UPDATE p1 SET n = n + 1 WHERE id = 1"},
	{"row moved between partitions", sumP1, "UPDATE p SET id = id + 100 WHERE id = 5"},
	{"cascade of a delete", sumChild, "DELETE FROM parent WHERE id = 7"},
	{"cascade of an update", sumChild, "UPDATE parent SET id = id + 1000 WHERE id = 8"},
	{"truncate cascade", sumChild, "TRUNCATE parent CASCADE"},
	{"trigger", sumLog, "INSERT INTO source VALUES (1)"},
	{"truncate", sumLog, "TRUNCATE log"},
	{"rule", sumT, "INSERT INTO ruled VALUES (3)"},
	{"plpgsql function", sumT, "SELECT bump()"},
	{"sql function", sumT, "SELECT bump_sql()"},
	{"dynamic function", sumT, "SELECT bump_dynamic('t')"},
	{"function in a view", sumT, "SELECT * FROM bumping"},
	{"procedure", sumT, "CALL bump_all()"},
	{"do", sumT, "DO $$ BEGIN UPDATE t SET n = n + 1 WHERE id = 1; END $$"},
	{"cte", sumT, "WITH w AS (UPDATE t SET n = n + 1 WHERE id = 1 RETURNING *) SELECT count(*) FROM w"},
	{"explain analyze", sumT, "EXPLAIN ANALYZE UPDATE t SET n = n + 1 WHERE id = 1"},
	{"sql prepare", sumT, "PREPARE bump AS UPDATE t SET n = n + 1 WHERE id = 1; EXECUTE bump; DEALLOCATE bump"},
	{"several statements", sumT, "SELECT 1; UPDATE t SET n = n + 1 WHERE id = 1; SELECT 2"},
	{"transaction in one text", sumT, "BEGIN; UPDATE t SET n = n + 1 WHERE id = 1; COMMIT"},
	{"savepoint", sumT, "BEGIN; UPDATE t SET n = n + 1 WHERE id = 1; SAVEPOINT a; UPDATE t SET n = 0; ROLLBACK TO a; COMMIT"},
	{"matview", sumMat, "INSERT INTO spare VALUES (1003, 3); REFRESH MATERIALIZED VIEW mat"},
	{"unparsed", sumT, "UPDATE t SET n = n + 1 WHERE id = 1 AND $x$" + "a$x$ = 'a'"},
	{"add column", sumChange, "ALTER TABLE changing ADD COLUMN extra int; UPDATE changing SET n = n + 1"},
	{"change type", sumChange, "ALTER TABLE changing ALTER COLUMN n TYPE numeric USING n + 0.5"},
	{"recreate", sumChange, "DROP TABLE changing; CREATE TABLE changing AS SELECT 1 AS id, 7 AS n"},
	{"rename another into place", sumChange, "ALTER TABLE changing RENAME TO old; CREATE TABLE changing AS SELECT 1 AS id, 8 AS n"},
	{"replace view", sumShift, "CREATE OR REPLACE VIEW shifting AS SELECT id, n FROM base2"},
	{"after the view was replaced", sumShift, "UPDATE base2 SET n = n + 1"},
	{"replace view in a block", sumShift, "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW shifting AS SELECT id, n FROM t'; END $$"},
	{"after the view was replaced in a block", sumShift, "UPDATE t SET n = n + 1"},
	{"detach partition", sumP, "ALTER TABLE p DETACH PARTITION p2"},
	{"attach partition", sumP, "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (100) TO (200)"},
}

// The reader and the writer are two sessions. What the reader sees right after the writer has its answer is what a direct
// connection sees, and before the write it came from the cache.
func TestWritesInvalidateBeforeTheirAnswer(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_writes", writesSchema)
	f := start(t, bed, keepAll)
	reader, direct := connect(t, f.dsn(db)), connect(t, bed.Primary().DSN(db))
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) { checkWrite(t, reader, connect(t, f.dsn(db)), direct, w.read, w.write) })
	}
}

func checkWrite(t *testing.T, reader, writer, direct *pgx.Conn, read, write string) {
	t.Helper()
	truth := func() string {
		rows, err := trySimple(t.Context(), direct, read)
		require.NoError(t, err)
		return rows[0][0]
	}
	known(t, reader, read)
	before := truth()
	until(t, "a hit", func() bool {
		got, h := one(t, reader, read)
		require.Equal(t, before, got)
		return h.cache == "hit"
	})
	_, err := trySimple(t.Context(), writer, write)
	require.NoError(t, err)
	after := truth()
	require.NotEqual(t, before, after, "the write changes what is read")
	got, h := one(t, reader, read)
	require.Equal(t, after, got, "%+v", h)
}

func TestTransactionsInvalidateAtTheirEnd(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_tx", writesSchema)
	f := start(t, bed, keepAll)
	reader, writer := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	known(t, reader, sumT)
	hit := func(want string) {
		t.Helper()
		got, h := one(t, reader, sumT)
		require.Equal(t, want+" hit", got+" "+h.cache, "%+v", h)
	}
	miss := func(want string) {
		t.Helper()
		got, h := one(t, reader, sumT)
		require.Equal(t, want+" miss", got+" "+h.cache, "%+v", h)
	}
	miss("5150")
	hit("5150")
	exec(t, writer, "BEGIN", "UPDATE t SET n = n + 1 WHERE id = 1")
	hit("5150") // not committed: not visible, not void
	got, _ := one(t, writer, sumT)
	require.Equal(t, "5151", got)
	exec(t, writer, "COMMIT")
	miss("5151")
	hit("5151")
	exec(t, writer, "BEGIN", "UPDATE t SET n = 0", "ROLLBACK")
	got, _ = one(t, reader, sumT)
	require.Equal(t, "5151", got)
	hit("5151")
	t.Run("a read during the transaction is void at its commit", func(t *testing.T) {
		exec(t, writer, "BEGIN", "UPDATE t SET n = n + 1 WHERE id = 2")
		got, _ := one(t, reader, "/* new */ "+sumT)
		require.Equal(t, "5151", got)
		exec(t, writer, "COMMIT")
		got, _ = one(t, reader, "/* new */ "+sumT)
		require.Equal(t, "5152", got)
	})
	t.Run("pipelined", func(t *testing.T) {
		got, _ := one(t, reader, sumT)
		require.Equal(t, "5152", got)
		hit("5152")
		batch := &pgx.Batch{}
		batch.Queue("UPDATE t SET n = n + $1 WHERE id = 1", 1)
		batch.Queue("SELECT 1")
		batch.Queue("UPDATE t SET n = n + $1 WHERE id = 2", 1)
		require.NoError(t, writer.SendBatch(t.Context(), batch).Close())
		miss("5154")
	})
	t.Run("COPY", func(t *testing.T) {
		hit("5154")
		_, err := writer.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"id", "n"}, pgx.CopyFromRows([][]any{{300, 1}}))
		require.NoError(t, err)
		miss("5156")
	})
	t.Run("the client goes away in the middle", func(t *testing.T) {
		hit("5156")
		gone := connect(t, f.dsn(db))
		exec(t, gone, "BEGIN", "UPDATE t SET n = 0")
		require.NoError(t, gone.Close(t.Context()))
		until(t, "the transaction is rolled back and reads go on", func() bool {
			got, _ := one(t, reader, sumT)
			require.Equal(t, "5156", got)
			return true
		})
	})
}

func TestPreparedTransactionsInvalidate(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_2pc", writesSchema)
	f := start(t, bed, keepAll)
	reader, writer := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	known(t, reader, sumT)
	one(t, reader, sumT)
	exec(t, writer, "BEGIN", "UPDATE t SET n = n + 1 WHERE id = 1", "PREPARE TRANSACTION 'cache'")
	for range 2 {
		got, _ := one(t, reader, sumT)
		require.Equal(t, "5150", got)
	}
	exec(t, writer, "COMMIT PREPARED 'cache'")
	got, _ := one(t, reader, sumT)
	require.Equal(t, "5151", got)
	exec(t, writer, "BEGIN", "UPDATE t SET n = 0", "PREPARE TRANSACTION 'cache'", "ROLLBACK PREPARED 'cache'")
	got, _ = one(t, reader, sumT)
	require.Equal(t, "5151", got)
}
