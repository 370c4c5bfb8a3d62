package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenInputsWantsAllOfThem(t *testing.T) {
	dir := t.TempDir()
	_, err := openInputs(filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)

	for _, path := range []string{
		"parallel_schedule", "sql/test_setup.sql", "data/onek.data", "isolation/isolation_schedule",
		"isolation/specs/read-only-anomaly.spec",
	} {
		_, err := openInputs(dir)
		require.ErrorIs(t, err, os.ErrNotExist, "before %s", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), nil, 0o600))
	}
	in, err := openInputs(dir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "sql", "boolean.sql"), in.sql("boolean"))
}

func TestReadSchedule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "schedule")
	text := "# test: no\n\ntest: a\nignore: c\ntest: b c\n# end\ntest: d-1\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	files, err := readSchedule(path)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "d-1"}, files)
}

func TestTestPath(t *testing.T) {
	for name, want := range map[string]string{
		"postgresql-15.1/src/test/regress/sql/boolean.sql":             "sql/boolean.sql",
		"postgresql-15.1/src/test/regress/sql/collate.icu.utf8.sql":    "sql/collate.icu.utf8.sql",
		"postgresql-15.1/src/test/regress/data/onek.data":              "data/onek.data",
		"postgresql-15.1/src/test/regress/parallel_schedule":           "parallel_schedule",
		"postgresql-15.1/src/test/isolation/specs/two-ids.spec":        "isolation/specs/two-ids.spec",
		"postgresql-15.1/src/test/isolation/isolation_schedule":        "isolation/isolation_schedule",
		"postgresql-15.1/src/test/regress/expected/boolean.out":        "",
		"postgresql-15.1/src/test/regress/sql/../../../../etc/passwd":  "",
		"postgresql-15.1/contrib/ltree/sql/ltree.sql":                  "",
		"postgresql-15.1/src/test/modules/brin/specs/summarization.sp": "",
	} {
		require.Equal(t, want, testPath(name), name)
	}
}

func TestSourceVersionsWantTheInstalledOne(t *testing.T) {
	shown := "Package: p\nVersion: 15.18-0+deb12u1\n\nPackage: p\nVersion: 15.20-0+deb12u1\n\nPackage: p\nVersion: 15.20-0+deb12u1\n"
	require.Equal(t, []string{"15.20-0+deb12u1", "15.18-0+deb12u1"}, sourceVersions(shown, "15.20"))
	require.Equal(t, []string{"15.18-0+deb12u1", "15.20-0+deb12u1"}, sourceVersions(shown, "15.2"))
}

// TestUnpackTests takes an archive made as PostgreSQL's is.
func TestUnpackTests(t *testing.T) {
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for name, text := range map[string]string{
		"p-15/src/test/regress/sql/a.sql": "SELECT 1;\n", "p-15/src/test/regress/parallel_schedule": "test: a\n",
		"p-15/src/backend/main.c": "int main;\n",
	} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	dir := filepath.Join(t.TempDir(), "inputs")
	require.NoError(t, unpackTests(&plain, dir))
	got, err := os.ReadFile(filepath.Join(dir, "sql", "a.sql"))
	require.NoError(t, err)
	require.Equal(t, "SELECT 1;\n", string(got))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing but the suites")

	kept := filepath.Join(t.TempDir(), "cache", "tests")
	require.NoError(t, keep(dir, kept))
	require.NoError(t, keep(dir, kept), "another run may have kept them already")
	require.FileExists(t, filepath.Join(kept, "parallel_schedule"))
}
