package catalog

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
)

func TestSplitIdentifiers(t *testing.T) {
	for list, want := range map[string][]string{
		``:                       nil,
		` `:                      nil,
		`public`:                 {"public"},
		`"$user", public`:        {"$user", "public"},
		`Public ,"Other"`:        {"public", "Other"},
		`"a,b", "c""d"`:          {"a,b", `c"d`},
		`a,"unfinished`:          {"a"},
		`a b`:                    {"a"},
		`a,,b`:                   {"a"},
		`ÄB`:                     {"Äb"},
		strings.Repeat("x", 100): {strings.Repeat("x", 63)},
		strings.Repeat("ä", 40):  {strings.Repeat("ä", 31)},
	} {
		require.Equal(t, want, splitIdentifiers(list), list)
	}
}

// PostgreSQL itself says which schemas a path means, as far as they exist.
func TestSchemasAsPostgreSQL(t *testing.T) {
	db := newTestDatabase(t, true)
	conn, err := dial(t.Context(), db)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	existing, err := collect(t, conn, "SELECT nspname::text FROM pg_namespace")
	require.NoError(t, err)
	for _, path := range []string{
		`app, public`, `"$user", public`, `"$user",alice`, `public, pg_catalog, app`, `''`, `"Mixed Case", other`, `nowhere, app`,
		`APP, Other`, `information_schema, "mixed case"`,
	} {
		_, err := conn.Exec(t.Context(), "SET search_path = "+path)
		require.NoError(t, err)
		reported, err := collect(t, conn, "SHOW search_path")
		require.NoError(t, err)
		want, err := collect(t, conn, "SELECT unnest(current_schemas(true))::text")
		require.NoError(t, err)
		got := slices.DeleteFunc(schemas(reported[0], "postgres"), func(s string) bool {
			return !slices.Contains(existing, s)
		})
		require.Equal(t, want, distinct(got), path)
	}
}

func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func collect(t *testing.T, conn *pgx.Conn, sql string) ([]string, error) {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// The lists of builtin.go are compared with a real server's pg_proc: a name on the wrong list would be a silent mistake.
func TestBuiltinListsAgainstServer(t *testing.T) {
	conn, err := dial(t.Context(), "postgres")
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	volatile, err := collect(t, conn, "SELECT DISTINCT proname::text FROM pg_proc WHERE oid < 16384 AND provolatile = 'v'")
	require.NoError(t, err)
	other, err := collect(t, conn, "SELECT DISTINCT proname::text FROM pg_proc WHERE oid < 16384 AND provolatile <> 'v'")
	require.NoError(t, err)
	for name := range harmlessVolatile {
		require.False(t, slices.Contains(other, name) && !slices.Contains(volatile, name), "%s is not volatile", name)
	}
	for name := range setsSession {
		require.True(t, slices.Contains(volatile, name) && !harmlessVolatile[name], name)
	}
	for _, set := range []map[string]bool{stableEffects, readsByName} {
		for name := range set {
			require.Contains(t, other, name)
		}
	}
	for _, name := range volatile {
		acts := strings.HasPrefix(name, "lo_") || strings.HasPrefix(name, "pg_advisory") ||
			strings.HasPrefix(name, "pg_logical_") || strings.HasPrefix(name, "pg_create_") ||
			strings.HasPrefix(name, "pg_drop_") || strings.HasPrefix(name, "pg_stat_reset") ||
			strings.HasPrefix(name, "binary_upgrade") || strings.HasPrefix(name, "pg_try_")
		require.False(t, acts && harmlessVolatile[name], "%s has effects", name)
	}
}

func TestBuiltin(t *testing.T) {
	require.Equal(t, effect{volatility: Volatile}, builtin("random", Volatile))
	require.Equal(t, effect{volatility: Volatile}, builtin("pg_sleep", Volatile))
	require.Equal(t, effect{volatility: Volatile, effects: true}, builtin("made_up_tomorrow", Volatile))
	require.Equal(t, effect{volatility: Volatile, effects: true}, builtin("lo_open", Volatile))
	require.Equal(t, effect{volatility: Volatile, effects: true, setsState: true, unlisted: true, pins: "setseed"}, builtin("setseed", Volatile))
	require.Equal(t, effect{volatility: Volatile, effects: true, setsState: true, system: true, pins: "advisory_lock"}, builtin("pg_try_advisory_lock", Volatile))
	require.Equal(t, effect{volatility: Stable, time: parser.TimeInOutput}, builtin("now", Stable))
	require.Equal(t, effect{volatility: Stable, system: true}, builtin("pg_stat_get_numscans", Stable))
	require.Equal(t, effect{volatility: Immutable}, builtin("pg_size_pretty", Immutable))
}

func TestReadBody(t *testing.T) {
	for body, want := range map[string]struct{ sets, writes bool }{
		`SELECT 1`:           {false, false},
		`UPDATE a SET b = 1`: {false, true},
		`INSERT INTO a VALUES (1) ON CONFLICT DO UPDATE SET b=1`: {false, true},
		`BEGIN SET x.y = 1; END`:                                 {true, false},
		`BEGIN IF a THEN /* set */ SET x.y TO 1; END IF; END`:    {true, false},
		`BEGIN <<l>> -- why` + "\n" + `SET x.y TO 1; END`:        {true, false},
		`BEGIN SET LOCAL x.y = 1; END`:                           {false, false},
		`BEGIN new.a := 'SET x'; RETURN new; END`:                {false, false},
		`BEGIN new.a := '; SET x'; -- SET x` + "\n" + `END`:      {false, false},
		`BEGIN new.a := E'\'; SET x.y=1; --'; END`:               {false, false},
		`BEGIN new.a := 'like\'; SET x.y=1; END`:                 {true, false},
		`BEGIN new.a := $q$ ; SET x $q$; END`:                    {false, false},
		`BEGIN EXECUTE 'anything'; END`:                          {true, true},
		`SELECT "set_config"('a', 'b', false)`:                   {true, false},
		`SELECT pg_advisory_lock($1)`:                            {true, false},
		`SELECT pg_advisory_xact_lock($1)`:                       {false, false},
		`SELECT lastval()`:                                       {true, false},
		`CREATE TEMP TABLE a (b int)`:                            {true, true},
		`CREATE /* x */ LOCAL temporary TABLE a (b int)`:         {true, true},
		`SELECT temp INTO t FROM sensors`:                        {false, false},
		`SELECT 1 INTO TEMP t`:                                   {true, false},
		`LISTEN a`:                                               {true, false},
		`SELECT query_to_xml('x', true, true, '')`:               {true, true},
		`COPY a FROM '/x'`:                                       {false, true},
	} {
		got := readBody(body)
		require.Equal(t, want.sets, got.setsState, "sets state: %s", body)
		require.Equal(t, want.writes, got.writes, "writes: %s", body)
	}
}

// What the server lists can be asked for: that a body does it does not mean that nobody knows what it did.
func TestReadBodyUnlisted(t *testing.T) {
	for body, unlisted := range map[string]bool{
		`SELECT 1`:                                 false,
		`SELECT pg_advisory_lock($1)`:              false,
		`CREATE TEMP TABLE a (b int)`:              false,
		`SELECT 1 INTO TEMP t`:                     false,
		`CREATE TABLE pg_temp.a (b int)`:           false,
		`BEGIN LISTEN a; END`:                      false,
		`PREPARE a AS SELECT 1`:                    false,
		`BEGIN SET x.y = 1; END`:                   true,
		`BEGIN SET LOCAL x.y = 1; END`:             false,
		`BEGIN RESET ALL; END`:                     true,
		`LOAD 'x'`:                                 true,
		`BEGIN EXECUTE 'LISTEN a'; END`:            true,
		`SELECT set_config($1, $2, true)`:          true,
		`SELECT lastval()`:                         true,
		`SELECT setseed(0.5)`:                      true,
		`SELECT pg_backend_pid()`:                  true,
		`SELECT query_to_xml('x', true, true, '')`: true,
		`SELECT pg_advisory_lock(1), setseed(1)`:   true,
	} {
		require.Equal(t, unlisted, readBody(body).unlisted, body)
	}
}

func FuzzBodyWords(f *testing.F) {
	f.Add("BEGIN x := $a$ b $a$ || E'\\'' /* /* */ */; -- c\nSET d = 1; END")
	f.Fuzz(func(t *testing.T, body string) {
		for _, w := range bodyWords(body) {
			require.Equal(t, strings.ToLower(w.text), w.text)
		}
	})
}

func FuzzSplitIdentifiers(f *testing.F) {
	f.Add(`"$user", public, "a""b"`)
	f.Fuzz(func(t *testing.T, list string) {
		for _, n := range splitIdentifiers(list) {
			require.LessOrEqual(t, len(n), maxIdentifier)
		}
	})
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	require.ErrorContains(t, Config{MaxDatabases: 1}.Validate(), "catalog_refresh")
	require.ErrorContains(t, Config{RefreshInterval: DefaultConfig().RefreshInterval}.Validate(), "catalog_max_databases")
}

func TestQuiet(t *testing.T) {
	for name, want := range map[parser.Name]bool{
		{Schema: "pg_catalog", Name: "pg_isolation_test_session_is_blocked"}: true,
		{Schema: "pg_catalog", Name: "made_up_tomorrow"}:                     true,
		{Name: "current_setting"}:                                            true,
		{Name: "pg_blocking_pids"}:                                           true,
		{Name: "users_own"}:                                                  false,
		{Name: "pg_users_own"}:                                               false,
		{Schema: "public", Name: "current_setting"}:                          false,
		{Name: "set_config"}:                                                 false,
		{Schema: "pg_catalog", Name: "set_config"}:                           false,
		{Schema: "pg_catalog", Name: "pg_advisory_lock"}:                     false,
		{Schema: "pg_catalog", Name: "query_to_xml"}:                         false,
	} {
		require.Equal(t, want, Quiet(name), "%v", name)
	}
}
