package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/build"
)

func TestWrongCommandLines(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "no servers; name them with --nodes HOST:PORT,... or give a file with --config FILE"},
		{[]string{"srve"}, `unknown subcommand "srve"; there are serve, demo, check, explain, version`},
		{[]string{"--no-such"}, "unknown flag: --no-such"},
		{[]string{"serve", "extra"}, `serve takes no arguments, got "extra"`},
		{[]string{"version", "extra"}, "version takes no arguments"},
		{[]string{"demo", "extra"}, "demo takes no arguments"},
		{[]string{"explain"}, "explain takes one statement"},
		{[]string{"explain", "select", "1"}, "explain takes one statement"},
		{[]string{"check", "a.yml", "b.yml"}, "check takes one file"},
		{[]string{"check", "testdata/none.yml"}, "testdata/none.yml: no such file"},
		{[]string{"--nodes", "127.0.0.1:5432", "--max-clients", "3"}, "unknown flag: --max-clients"},
	} {
		got := aioproxy(t, "", test.args...)
		assert.Equal(t, exitUsage, got.code, test.args)
		assert.Contains(t, got.err, test.want, test.args)
		assert.Empty(t, got.out, test.args)
	}
}

func TestHelp(t *testing.T) {
	got := aioproxy(t, "", "--help")
	assert.Equal(t, exitOK, got.code)
	for _, c := range commands() {
		assert.Contains(t, got.out, c.summary)
		help := aioproxy(t, "", c.name, "--help")
		assert.Equal(t, exitOK, help.code)
		assert.Contains(t, help.out, "Usage: aioproxy")
		assert.Empty(t, help.err)
	}
	assert.Contains(t, got.out, "--admin-listen")
	assert.NotContains(t, aioproxy(t, "", "explain", "--help").out, "--admin-listen", "explain does not listen")
}

func TestVersion(t *testing.T) {
	got := aioproxy(t, "", "version")
	assert.Equal(t, exitOK, got.code)
	assert.Regexp(t, `^aioproxy \S+.* go1\.\S+ linux/`, got.out)
	defer func(v string) { build.Version = v }(build.Version)
	build.Version = "1.2.3"
	assert.Contains(t, aioproxy(t, "", "version").out, "aioproxy 1.2.3")
}

func TestServeRefusesABadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.yml")
	require.NoError(t, os.WriteFile(path, []byte("nodes: [\"127.0.0.1:1\"]\nmax_client: 5\n"), 0o600))
	got := aioproxy(t, "", "--config", path)
	assert.Equal(t, exitUsage, got.code)
	assert.Equal(t, path+":2:1: unknown key \"max_client\"; did you mean max_clients?\n     2 | max_client: 5\n       | ^\n", got.err)

	got = aioproxy(t, "", "--nodes", "127.0.0.1:1", "--auth-method", "md4")
	assert.Equal(t, exitUsage, got.code)
	assert.Contains(t, got.err, "command line: auth.method")
}
