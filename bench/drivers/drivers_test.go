package drivers_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// splitting is a proxy that does all it can: few server connections, replica, both cache tiers. A replica is waited for as
// long as it takes on a busy machine, so that where a statement runs depends on the statement.
func splitting(connections int) string {
	return fmt.Sprintf("pool: {max_connections: %d, acquire_timeout: 60s}\n", connections) + "replica_wait: 5s\ncheck_interval: 200ms\n" +
		"cache: {store: redis, min_cost: 1ms, redis: {address: \"" + bed.Redis().Addr() + "\", timeout: 1s}}\n"
}

// driver is a program; prepare makes it ready and returns its command line.
type driver struct {
	name    string
	prepare func(t *testing.T) []string
	pins    []string // why sessions of the program keep their connection between transactions
}

func drivers() []driver {
	return []driver{
		{"pgx", buildGo("pgx"), nil},
		{"libpq", buildGo("libpq"), []string{"listen"}},
		{"node", installNode, []string{"listen"}},
		{"psycopg2", findPsycopg2, []string{"sql_prepare"}},
		{"psql", findPsql, []string{"sql_prepare", "temporary_table", "sequence", "listen"}},
	}
}

func TestDriversSeeNoDifference(t *testing.T) {
	p := startProxy(t, splitting(4))
	for _, d := range drivers() {
		t.Run(d.name, func(t *testing.T) {
			line := d.prepare(t)
			for _, way := range []string{"direct", "proxied"} {
				makeDatabase(t, d.name+"_"+way)
			}
			direct, err := command(t.Context(), t,
				environment(bed.Primary().Host, strconv.Itoa(bed.Primary().Port), d.name+"_direct"), line[0], line[1:]...)
			require.NoError(t, err, "directly")

			database := d.name + "_proxied"
			warmUp(t, p, database)
			before, pinsBefore := p.counters(t, "database_queries_total", "class", "target"), pinningOf(t, p)
			proxied, err := command(t.Context(), t, environment(p.host, p.port, database), line[0], line[1:]...)
			require.NoError(t, err, "through aioproxy")
			after := p.counters(t, "database_queries_total", "class", "target")

			require.Equal(t, withoutPIDs(direct), withoutPIDs(proxied))
			require.Greater(t, len(direct), 1000, "the program has said what it did")
			report(t, d.name, before, after)
			judgePins(t, d, pinningOf(t, p).since(pinsBefore))
		})
	}
}

var pids = regexp.MustCompile(`with PID \d+`)

// withoutPIDs takes out what differs between any two connections.
func withoutPIDs(output string) string { return pids.ReplaceAllString(output, "with PID ...") }

// makeDatabase creates a database with a table that is worth caching, and waits for the replica to have it.
func makeDatabase(t *testing.T, name string) {
	t.Helper()
	primary := bed.Primary()
	require.NoError(t, primary.Exec(t.Context(), "postgres", "CREATE DATABASE "+name))
	require.NoError(t, primary.Exec(t.Context(), name, "CREATE TABLE events (id int, kind text, amount numeric(10,2), at timestamptz)",
		`INSERT INTO events SELECT i, 'kind ' || i % 5, i % 1000 * 0.37, timestamptz '2024-01-01 00:00:00Z' + i * interval '1 second'
			FROM generate_series(1, 100000) i`,
		"VACUUM ANALYZE events"))
	require.NoError(t, bed.CatchUp(t.Context()))
}

// warmUp lets the proxy learn about the database: it then knows what an aggregate over the table is.
func warmUp(t *testing.T, p *proxy, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.dsn(database))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	require.Eventually(t, func() bool {
		var n int
		if err := conn.QueryRow(t.Context(), "SELECT count(DISTINCT id) FROM events").Scan(&n); err != nil {
			return false
		}
		rows, err := conn.Query(t.Context(), "SHOW aioproxy.last", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return false
		}
		last, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		return err == nil && last["target"] != "primary"
	}, patience, interval)
}

// report prints where the statements ran and requires that everybody had work: the primary the writes, the replica and the
// cache the aggregates.
func report(t *testing.T, name string, before, after map[string]float64) {
	t.Helper()
	ran := map[string]float64{}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if n := after[key] - before[key]; n > 0 {
			ran[key] = n
			t.Logf("%-9s %-20s %5.0f", name, key, n)
		}
	}
	for _, place := range []string{"oltp primary", "olap replica", "olap cache"} {
		require.Positive(t, ran[place], "statements: %s", place)
	}
}

// buildGo builds a program of this folder.
func buildGo(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		program := filepath.Join(t.TempDir(), name)
		args := append(append([]string{"build"}, buildFlags...), "-o", program, "./"+name)
		out, err := exec.Command("go", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return []string{program}
	}
}

// installNode installs node-postgres beside a copy of the program, out of the source tree.
func installNode(t *testing.T) []string {
	t.Helper()
	node, npm := find(t, "node", "nodejs"), find(t, "npm", "npm")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "main.js"} {
		content, err := os.ReadFile(filepath.Join("node", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "npm ci of node-postgres needs its registry:\n%s", out)
	return []string{node, filepath.Join(dir, "main.js")}
}

// findPsycopg2 takes Debian's Python where the first one of PATH lacks the module. Isolated (-I), because the program has the
// name of the module.
func findPsycopg2(t *testing.T) []string {
	t.Helper()
	script, err := filepath.Abs("psycopg2.py")
	require.NoError(t, err)
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), python, "-I", "-c", "import psycopg2").Run() == nil {
			return []string{python, "-I", "-B", script}
		}
	}
	require.Fail(t, "no psycopg2: apt-get install python3-psycopg2, or run .ci/install-deps")
	return nil
}

func findPsql(t *testing.T) []string {
	t.Helper()
	script, err := filepath.Abs("psql.sql")
	require.NoError(t, err)
	return []string{find(t, "psql", "postgresql-client"), "--no-psqlrc", "--echo-all", "--file", script}
}

// find returns the path of a program; without it the test has failed.
func find(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err, "apt-get install %s, or run .ci/install-deps", debianPackage)
	return path
}
