package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/report"
)

const page = "# Page\n\ntext\n\n<!-- begin a: written by `make parity` -->\nold\n<!-- end a -->\n\n" +
	"<!-- begin b: written by `make parity` -->\nb's own\n<!-- end b -->\n\nthe end\n"

func TestReplaceLeavesTheRestAlone(t *testing.T) {
	got, err := report.Replace(page, "a", "new\n")
	require.NoError(t, err)
	require.Equal(t, "# Page\n\ntext\n\n<!-- begin a: written by `make parity` -->\n\nnew\n\n<!-- end a -->\n\n"+
		"<!-- begin b: written by `make parity` -->\nb's own\n<!-- end b -->\n\nthe end\n", got)
	again, err := report.Replace(got, "a", "\nnew\n\n")
	require.NoError(t, err)
	require.Equal(t, got, again, "the same results change nothing")
}

func TestReplaceWantsAPlace(t *testing.T) {
	_, err := report.Replace(page, "c", "x")
	require.ErrorContains(t, err, "<!-- begin c: written by `make parity` -->\n<!-- end c -->")
	_, err = report.Replace("<!-- begin a: written by `make parity` -->\n", "a", "x")
	require.ErrorContains(t, err, "has no end")
}

func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(path, []byte(page), 0o600))
	require.NoError(t, report.Update(path, "b", "1 of 1"))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(got), "make parity` -->\n\n1 of 1\n\n<!-- end b -->\n\nthe end\n")
	require.ErrorContains(t, report.Update(path, "c", "x"), path)
}
