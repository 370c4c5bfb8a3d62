package drivers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// random is what pg_dump makes up for each dump: the key of \restrict.
var random = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// way is one of two ways to the same databases.
type way struct{ host, port string }

func (w way) run(t *testing.T, database, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), t, environment(w.host, w.port, database), program(t, name), args...)
	require.NoError(t, err)
	return random.ReplaceAllString(out, "")
}

// ways are a direct connection and one through a proxy that splits and caches, with fewer server connections than pg_dump -j
// has jobs: each holds one for its snapshot.
func ways(t *testing.T) (direct, proxied way) {
	t.Helper()
	p := startProxy(t, splitting(4))
	return way{bed.Primary().Host, strconv.Itoa(bed.Primary().Port)}, way{p.host, p.port}
}

// source makes a database out of dump.sql.
func source(t *testing.T, name string) {
	t.Helper()
	sql, err := os.ReadFile("dump.sql")
	require.NoError(t, err)
	require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "CREATE DATABASE "+name+" TEMPLATE template0"))
	require.NoError(t, bed.Primary().Exec(t.Context(), name, string(sql)))
}

func TestDumpsAreTheSame(t *testing.T) {
	direct, proxied := ways(t)
	const db = "dump_source"
	source(t, db)
	for name, args := range map[string][]string{
		"plain":     {"-C", "--blobs"},
		"inserts":   {"--column-inserts", "--rows-per-insert=100", "--serializable-deferrable", "-n", "public"},
		"data only": {"--data-only", "--disable-triggers", "--enable-row-security", "--role=postgres"},
		"quoted":    {"--quote-all-identifiers", "--lock-wait-timeout=1000", "--no-privileges", "-E", "LATIN1"},
	} {
		t.Run(name, func(t *testing.T) {
			want := direct.run(t, db, "pg_dump", args...)
			require.Greater(t, len(want), 10000)
			require.Equal(t, want, proxied.run(t, db, "pg_dump", args...))
		})
	}
	t.Run("custom", func(t *testing.T) {
		dump := func(w way) string {
			file := filepath.Join(t.TempDir(), "dump")
			w.run(t, db, "pg_dump", "-Fc", "-f", file)
			return direct.run(t, db, "pg_restore", "-C", "-f", "-", file)
		}
		require.Equal(t, dump(direct), dump(proxied))
	})
	t.Run("directory", func(t *testing.T) {
		dump := func(w way) (string, map[string]string) {
			dir := filepath.Join(t.TempDir(), "dump")
			w.run(t, db, "pg_dump", "-Fd", "-j", "2", "-Z", "0", "-f", dir)
			files := map[string]string{}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				b, err := os.ReadFile(filepath.Join(dir, e.Name()))
				require.NoError(t, err)
				files[e.Name()] = string(b)
			}
			delete(files, "toc.dat") // it has the time in it; pg_restore reads it
			return direct.run(t, db, "pg_restore", "-C", "-f", "-", dir), files
		}
		want, wantFiles := dump(direct)
		got, gotFiles := dump(proxied)
		require.Equal(t, want, got)
		require.Greater(t, len(wantFiles), 5)
		require.Equal(t, wantFiles, gotFiles)
	})
	t.Run("all", func(t *testing.T) {
		for _, args := range [][]string{
			{"--globals-only"}, {"--roles-only", "--no-role-passwords"}, {"--exclude-database=[^dt]*", "--clean", "--if-exists"},
		} {
			want := direct.run(t, "postgres", "pg_dumpall", args...)
			require.NotEmpty(t, want)
			require.Equal(t, want, proxied.run(t, "postgres", "pg_dumpall", args...))
		}
	})
}

// TestRestores: what was restored through the proxy is what was dumped, and the databases can be dropped and made again.
func TestRestores(t *testing.T) {
	direct, proxied := ways(t)
	const db = "restore_source"
	source(t, db)
	dir := t.TempDir()
	custom, plain := filepath.Join(dir, "custom"), filepath.Join(dir, "plain")
	direct.run(t, db, "pg_dump", "-Fc", "-f", custom)
	want := direct.run(t, db, "pg_dump", "-f", "-")
	require.NoError(t, os.WriteFile(plain, []byte(want), 0o600))
	for _, r := range []struct {
		name string
		line []string
	}{
		{"parallel", []string{"pg_restore", "-j", "2", "-d", "restored", custom}},
		{"one transaction", []string{"pg_restore", "--single-transaction", "-d", "restored", custom}},
		{"psql", []string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "restored", "-f", plain}},
		{"again over it", []string{"pg_restore", "--clean", "--if-exists", "-d", "restored", custom}},
	} {
		t.Run(r.name, func(t *testing.T) {
			if !slices.Contains(r.line, "--clean") {
				proxied.run(t, "postgres", "dropdb", "--if-exists", "restored")
				proxied.run(t, "postgres", "createdb", "-T", "template0", "restored")
			}
			proxied.run(t, "restored", r.line[0], r.line[1:]...)
			require.Equal(t, want, direct.run(t, "restored", "pg_dump", "-f", "-"))
		})
	}
	t.Run("with the database", func(t *testing.T) {
		proxied.run(t, db, "psql", "-X", "-c", "SELECT count(*) FROM child")
		proxied.run(t, "postgres", "pg_restore", "-C", "--clean", "-d", "postgres", custom)
		require.Equal(t, want, direct.run(t, db, "pg_dump", "-f", "-"))
	})
}

// TestMaintenancePrograms: the small programs around a database, through the proxy.
func TestMaintenancePrograms(t *testing.T) {
	_, proxied := ways(t)
	const db = "maintained"
	source(t, db)
	for _, line := range [][]string{
		{"vacuumdb", "--analyze", "-j", "2", "-d", db},
		{"vacuumdb", "--analyze-in-stages", "-t", "child", "-d", db},
		{"reindexdb", "--concurrently", "-t", "child", "-d", db},
		{"clusterdb", "-t", "child", "-d", db},
		{"createuser", "--no-login", "maintained_role"},
		{"dropuser", "maintained_role"},
		{"pg_isready"},
		{"pg_amcheck", "-d", db, "--install-missing"},
		{"vacuumlo", "-n", db},
		{"dropdb", db},
	} {
		t.Run(line[0], func(t *testing.T) {
			if line[0] == "clusterdb" {
				proxied.run(t, db, "psql", "-X", "-c", "ALTER TABLE child CLUSTER ON child_pkey")
			}
			proxied.run(t, db, line[0], line[1:]...)
		})
	}
	require.Equal(t, "0", primaryValue(t, "postgres", "SELECT count(*)::text FROM pg_database WHERE datname = '"+db+"'"))
}
