package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The shipped file is the reference of all keys: what it says must be what holds when nothing is said.
func TestShippedFileHasEveryKeyAtItsDefault(t *testing.T) {
	t.Setenv(ControlPasswordVariable, "")
	shipped, err := Load("aioproxy.yaml")
	require.NoError(t, err)
	want := Default()
	want.Cluster.Nodes = shipped.Cluster.Nodes // there is no default for them
	live, restart := Diff(&want, shipped)
	assert.Empty(t, live)
	assert.Empty(t, restart)

	text, err := os.ReadFile("aioproxy.yaml")
	require.NoError(t, err)
	c := Default()
	d := newDecoder("aioproxy.yaml", text, os.LookupEnv)
	d.document(text, reflect.ValueOf(&c).Elem())
	eachKey(reflect.ValueOf(&c).Elem(), "", func(path string, _ reflect.Value) {
		assert.Contains(t, d.keys, path, "configs/aioproxy.yaml does not explain %s", path)
	})
}

// Every type in the structs must be one that the decoder can write to.
func TestEveryKeyCanBeDecoded(t *testing.T) {
	c := Default()
	eachKey(reflect.ValueOf(&c).Elem(), "", func(path string, v reflect.Value) {
		if isScalar(v) && !isUnmarshaler(v) && v.Type() != durationType {
			assert.NoError(t, setKind(reflect.New(v.Type()).Elem(), map[bool]string{true: "true", false: "1"}[v.Kind() == reflect.Bool]), path)
		}
		assert.NotEqual(t, reflect.Interface, v.Kind(), path)
	})
}

func TestGoodFiles(t *testing.T) {
	t.Setenv("FIXTURE_PASSWORD", "p: {w")
	files, err := filepath.Glob("testdata/*.good.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		_, err := Load(file)
		assert.NoError(t, err, file)
	}
}

// A bad file says what is expected of it in its comments: "# want: " and a part of the error.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = Load(file)
		require.Error(t, err, file)
		wants := 0
		for line := range strings.Lines(string(text)) {
			if want, ok := strings.CutPrefix(strings.TrimSpace(line), "# want: "); ok {
				wants++
				assert.Contains(t, err.Error(), want, file)
			}
		}
		problems, ok := err.(Problems) //nolint:errorlint // the type itself is promised
		require.True(t, ok, file)
		assert.Len(t, problems, wants, "%s:\n%s", file, err)
	}
}

func TestFileWithEverything(t *testing.T) {
	t.Setenv("FIXTURE_PASSWORD", "p: {w")
	c, err := Load("testdata/full.good.yml")
	require.NoError(t, err)
	assert.Equal(t, "p: {w", c.Proxy.Control.Password)
	assert.Equal(t, []string{"127.0.0.1:6432", "unix:/run/aioproxy"}, c.Proxy.Listen)
	assert.Equal(t, "testdata/tls/server.crt", c.Proxy.TLS.Cert, "relative to the file")
	assert.Equal(t, "/etc/aioproxy/server.key", c.Proxy.TLS.Key)
	assert.Equal(t, "replica", c.Router.Classes.OLAP.Route, "what the file does not mention keeps its default")
	assert.Equal(t, "64MB", c.Router.Classes.OLAP.Settings["work_mem"])
	assert.Equal(t, "4", c.Router.Classes.OLAP.Settings["max_parallel_workers_per_gather"])
	require.Len(t, c.Router.Rules, 2)
	assert.Equal(t, "events", c.Router.Rules[0].Match.Table)
}

func TestOverrideHasTheLastWord(t *testing.T) {
	t.Setenv(ControlPasswordVariable, "from the environment")
	path := filepath.Join(t.TempDir(), "a.yml")
	require.NoError(t, os.WriteFile(path, []byte("nodes: [\"a:1\"]\nmax_clients: 7\n"), 0o600))
	c, err := Load(path, func(c *Config) { c.Cluster.Nodes = []string{"b:2"} })
	require.NoError(t, err)
	assert.Equal(t, []string{"b:2"}, c.Cluster.Nodes)
	assert.Equal(t, 7, c.Proxy.MaxClients)
	assert.Equal(t, "from the environment", c.Proxy.Control.Password)

	require.NoError(t, os.WriteFile(path, []byte("max_clients: 8\n"), 0o600))
	again, err := c.Reload()
	require.NoError(t, err)
	assert.Equal(t, 8, again.Proxy.MaxClients)
	assert.Equal(t, []string{"b:2"}, again.Cluster.Nodes, "the command line still holds")
}

func TestNoFileIsNamedCommandLine(t *testing.T) {
	_, err := Load("")
	assert.ErrorContains(t, err, "command line: nodes")
}

// The other files that are deployed are read by the same rules.
func TestDeployedFilesAreValid(t *testing.T) {
	_, err := Load("docker/aioproxy.yaml")
	assert.NoError(t, err)
}
