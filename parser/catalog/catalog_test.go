package catalog

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sync/errgroup"

	"github.com/aioproxy/aioproxy/parser"
)

const soon = 10 * time.Second

func selectFrom(list string) *parser.Facts {
	return &parser.Facts{Fingerprint: 7, Statements: []parser.Statement{{Kind: parser.Select, Reads: names(list)}}}
}

// run runs the catalog until the test ends and waits for it.
func run(t *testing.T, c *Catalog) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running errgroup.Group
	running.Go(func() error { return c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, running.Wait(), context.Canceled)
	})
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, soon, 5*time.Millisecond, what)
}

func TestFirstResolveLoads(t *testing.T) {
	db := newTestDatabase(t, false)
	execute(t, db, "CREATE TABLE a (id int)")
	c := newCatalog(DefaultConfig())
	f := selectFrom("a")
	require.Nil(t, c.Resolve(db, f, "public", "u"))
	run(t, c)
	eventually(t, "loaded", func() bool { return c.Resolve(db, f, "public", "u") != nil })
	require.Equal(t, "reads=public.a", show(c, db, c.Resolve(db, f, "public", "u")))
	require.Same(t, c.Resolve(db, f, "public", "u"), c.Resolve(db, f, "public", "v"), "the user does not matter here")
	require.NotSame(t, c.Resolve(db, f, `"$user", public`, "u"), c.Resolve(db, f, `"$user", public`, "v"))
}

func TestUnknownNameIsLookedForOnce(t *testing.T) {
	db := newTestDatabase(t, false)
	c := newCatalog(Config{RefreshInterval: time.Hour, MaxDatabases: 4})
	require.NoError(t, c.Load(t.Context(), db))
	execute(t, db, "CREATE TABLE late (id int)")
	run(t, c)
	require.Equal(t, "unknown=late", show(c, db, c.Resolve(db, selectFrom("late"), "public", "u")))
	eventually(t, "found by a reload", func() bool {
		return show(c, db, c.Resolve(db, selectFrom("late"), "public", "u")) == "reads=public.late"
	})

	d := (*c.databases.Load())[db]
	require.False(t, d.miss("late", time.Now()), "a name that a load did not find asks for no other one")
	now := time.Now()
	require.True(t, d.miss("other", now))
	d.mu.Lock()
	defer d.mu.Unlock()
	require.LessOrEqual(t, d.mu.due.Sub(d.mu.loaded), missInterval)
}

func TestInvalidateHoldsUntilALaterLoadEnds(t *testing.T) {
	db := newTestDatabase(t, false)
	execute(t, db, "CREATE TABLE a (id int)")
	began, goOn := make(chan struct{}, 10), make(chan struct{}, 10)
	c := New(DefaultConfig(), Deps{Connect: func(ctx context.Context, db string) (*pgx.Conn, error) {
		began <- struct{}{}
		<-goOn
		return dial(ctx, db)
	}})
	f := selectFrom("a")
	goOn <- struct{}{}
	require.NoError(t, c.Load(t.Context(), db))
	<-began
	require.NotNil(t, c.Resolve(db, f, "public", "u"))

	c.Invalidate(db)
	require.Nil(t, c.Resolve(db, f, "public", "u"))
	run(t, c)
	<-began // the load that Invalidate asked for
	c.Invalidate(db)
	goOn <- struct{}{}
	<-began // it ended, and was not good enough
	require.Nil(t, c.Resolve(db, f, "public", "u"))
	execute(t, db, "DROP TABLE a; CREATE VIEW a AS SELECT 1")
	goOn <- struct{}{}
	eventually(t, "loaded again", func() bool { return c.Resolve(db, f, "public", "u") != nil })
	require.Empty(t, show(c, db, c.Resolve(db, f, "public", "u")))
}

func TestLoadRepeatsWhenInvalidated(t *testing.T) {
	db := newTestDatabase(t, false)
	var c *Catalog
	var dials atomic.Int32
	c = New(DefaultConfig(), Deps{Connect: func(ctx context.Context, db string) (*pgx.Conn, error) {
		if dials.Add(1) == 1 {
			c.Invalidate(db)
		}
		return dial(ctx, db)
	}})
	require.NoError(t, c.Load(t.Context(), db))
	require.EqualValues(t, 2, dials.Load())
	require.NotNil(t, c.Resolve(db, selectFrom(""), "public", "u"))
}

func TestRefreshKeepsTheOldSnapshotMeanwhile(t *testing.T) {
	db := newTestDatabase(t, false)
	execute(t, db, "CREATE TABLE a (id int)")
	c := newCatalog(Config{RefreshInterval: 50 * time.Millisecond, MaxDatabases: 4})
	require.NoError(t, c.Load(t.Context(), db))
	run(t, c)
	f := selectFrom("a")
	execute(t, db, "ALTER TABLE a ENABLE ROW LEVEL SECURITY")
	eventually(t, "row security seen", func() bool {
		r := c.Resolve(db, f, "public", "u")
		require.NotNil(t, r)
		return r.RowSecurity
	})
}

func TestUnchangedCatalogueIsNotReadAgain(t *testing.T) {
	db := newTestDatabase(t, false)
	execute(t, db, "CREATE TABLE a (id int)")
	c := newCatalog(DefaultConfig())
	current := func() *snapshot { return (*c.databases.Load())[db].snap.Load() }
	require.NoError(t, c.Load(t.Context(), db))
	before := current()
	execute(t, db, "INSERT INTO a VALUES (1); BEGIN; CREATE TABLE b (id int); ROLLBACK")
	c.Invalidate(db)
	require.Nil(t, current())
	require.NoError(t, c.Load(t.Context(), db))
	require.Same(t, before, current())
	for _, ddl := range []string{
		"CREATE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW v AS SELECT 1 FROM a", "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER FUNCTION f() STABLE", "ALTER FUNCTION f() RENAME TO g",
		"CREATE TABLE c (id int) INHERITS (a)", "ALTER TABLE c NO INHERIT a", "ALTER TABLE c RENAME TO d",
		"CREATE SCHEMA s", "ALTER TABLE d SET SCHEMA s", "GRANT USAGE ON SCHEMA s TO PUBLIC",
		"INSERT INTO s.d SELECT generate_series(1, 99); ANALYZE s.d", "TRUNCATE s.d; ALTER TABLE a ADD PRIMARY KEY (id)",
		"ALTER TABLE s.d ADD FOREIGN KEY (id) REFERENCES a",
		"CREATE RULE r AS ON DELETE TO a DO INSTEAD NOTHING", "ALTER TABLE a DISABLE RULE r", "CREATE EXTENSION pg_trgm",
		"ALTER TABLE s.d ALTER id SET DEFAULT g()",
		"CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"ALTER TABLE a DISABLE TRIGGER t", "DROP VIEW v",
	} {
		before = current()
		execute(t, db, ddl)
		require.NoError(t, c.Load(t.Context(), db))
		require.NotSame(t, before, current(), ddl)
	}
}

func TestFailedLoads(t *testing.T) {
	db := newTestDatabase(t, false)
	core, logs := observer.New(zap.WarnLevel)
	var away atomic.Bool
	var tries atomic.Int32
	away.Store(true)
	c := New(Config{RefreshInterval: 20 * time.Millisecond, MaxDatabases: 4}, Deps{
		Log: zap.New(core),
		Connect: func(ctx context.Context, db string) (*pgx.Conn, error) {
			tries.Add(1)
			if away.Load() {
				return nil, errors.New("server is away")
			}
			return dial(ctx, db)
		},
	})
	f := selectFrom("")
	require.Error(t, c.Load(t.Context(), db))
	require.Nil(t, c.Resolve(db, f, "public", "u"))
	run(t, c)
	eventually(t, "tried again", func() bool { return tries.Load() >= 3 })
	require.Nil(t, c.Resolve(db, f, "public", "u"))
	require.Equal(t, 1, logs.Len(), "the same error is logged once")

	away.Store(false)
	eventually(t, "recovered", func() bool { return c.Resolve(db, f, "public", "u") != nil })
	away.Store(true)
	before := tries.Load()
	eventually(t, "refresh failed", func() bool { return tries.Load() > before })
	require.NotNil(t, c.Resolve(db, f, "public", "u"), "what was known stays in force for a while")
	eventually(t, "but not for ever", func() bool { return c.Resolve(db, f, "public", "u") == nil })
}

func TestUnusedDatabaseIsForgotten(t *testing.T) {
	db := newTestDatabase(t, false)
	c := newCatalog(Config{RefreshInterval: 20 * time.Millisecond, MaxDatabases: 1})
	require.NoError(t, c.Load(t.Context(), db))
	require.Error(t, c.Load(t.Context(), "another"), "there is room for one only")
	require.Nil(t, c.Resolve("another", selectFrom(""), "public", "u"))
	run(t, c)
	eventually(t, "forgotten", func() bool { return len(*c.databases.Load()) == 0 })
}

func TestDatabaseCanBeDropped(t *testing.T) {
	db := newTestDatabase(t, false)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	execute(t, "postgres", "DROP DATABASE "+db)
	require.Error(t, c.Load(t.Context(), db))
}

func TestUsersOperatorsAreNotCalled(t *testing.T) {
	db := newTestDatabase(t, false)
	execute(t, db, `
		CREATE FUNCTION public.trap(oid, int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
		CREATE OPERATOR public.>= (FUNCTION = public.trap, LEFTARG = oid, RIGHTARG = int);
		CREATE OPERATOR public.< (FUNCTION = public.trap, LEFTARG = oid, RIGHTARG = int);`)
	conn, err := dial(t.Context(), db)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(t.Context(), "SELECT FROM pg_proc WHERE oid >= 16384")
	require.ErrorContains(t, err, "trapped", "the trap works")
	require.NoError(t, newCatalog(DefaultConfig()).Load(t.Context(), db))
}

func TestMemoIsBounded(t *testing.T) {
	db := newTestDatabase(t, false)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	for range 5 * memoHalf {
		require.NotNil(t, c.Resolve(db, selectFrom(""), "public", "u"))
	}
	s := (*c.databases.Load())[db].snap.Load()
	kept := 0
	for i := range s.memo.shards {
		kept += len(s.memo.shards[i].mu.young) + len(s.memo.shards[i].mu.old)
	}
	require.LessOrEqual(t, kept, 2*memoHalf)
}

func TestResolveAgainDoesNotAllocate(t *testing.T) {
	db := newTestDatabase(t, false)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	f := selectFrom("pg_class")
	c.Resolve(db, f, `"$user", public`, "u")
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Resolve(db, f, `"$user", public`, "u") }))
}

func BenchmarkResolveAgain(b *testing.B) {
	db := newTestDatabase(b, true)
	c := newCatalog(DefaultConfig())
	require.NoError(b, c.Load(b.Context(), db))
	f := selectFrom("app.events")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c.Resolve(db, f, `"$user", public`, "someone") == nil {
				b.Fatal("not loaded")
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	db := newTestDatabase(b, true)
	for b.Loop() {
		require.NoError(b, newCatalog(DefaultConfig()).Load(b.Context(), db))
	}
}

func BenchmarkLoadUnchanged(b *testing.B) {
	db := newTestDatabase(b, true)
	c := newCatalog(DefaultConfig())
	for b.Loop() {
		require.NoError(b, c.Load(b.Context(), db))
	}
}
