package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// settingsFile writes a configuration for the test bed; extra lines come last.
func settingsFile(t *testing.T, extra string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aioproxy.yaml")
	text := fmt.Sprintf("nodes: [\"%s\"]\n%s", strings.Join(bed.Addrs(), `", "`), extra)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestCheckOfAHealthyCluster(t *testing.T) {
	path := settingsFile(t, fmt.Sprintf("cache: {store: redis, redis: {address: %q}}\n", bed.Redis().Addr()))
	got := aioproxy(t, "", "check", path)
	assert.Equal(t, exitOK, got.code, got.out+got.err)
	lines := strings.Split(got.out, "\n")
	assert.Equal(t, path+" is valid", lines[0])
	assert.Regexp(t, `^NODE +ROLE +VERSION +LAG +SECRETS +PG_MONITOR +WAL_LEVEL$`, lines[1])
	assert.Regexp(t, `^`+bed.Primary().Addr()+` +primary +\d+\S* .*- +yes +yes +replica$`, lines[2])
	assert.Regexp(t, `^`+bed.Replicas()[0].Addr()+` +replica +\d+\S* .* +\d\S* +yes +yes +replica$`, lines[3])
	assert.Equal(t, "Redis "+bed.Redis().Addr()+" answers", lines[4])
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	execute(t, "postgres", "CREATE ROLE weak LOGIN IN ROLE trusted")
	t.Cleanup(func() { execute(t, "postgres", "DROP ROLE weak") })
	got := aioproxy(t, "", "check", "--nodes", bed.Primary().Addr(), "--control-user", "weak")
	assert.Equal(t, exitFailure, got.code)
	assert.Contains(t, got.out, "the control role cannot look up the secrets of roles")
	assert.Contains(t, got.out, "permission denied for table pg_authid")
	assert.Contains(t, got.out, "GRANT pg_monitor TO")
}

func TestCheckOfServersThatAreNotThere(t *testing.T) {
	nobody := freeAddress(t)
	got := aioproxy(t, "", "check", settingsFile(t, fmt.Sprintf("cache: {store: redis, redis: {address: %q}}\n", nobody)))
	assert.Equal(t, exitFailure, got.code)
	assert.Contains(t, got.out, "! Redis "+nobody)

	got = aioproxy(t, "", "check", "--nodes", nobody)
	assert.Equal(t, exitFailure, got.code)
	assert.Contains(t, got.out, "unreachable")
	assert.Contains(t, got.out, "! 0 of the nodes are primaries; there must be one")
}

func TestCheckFindsAReplicaWithoutItsPrimary(t *testing.T) {
	got := aioproxy(t, "", "check", "--nodes", bed.Replicas()[0].Addr())
	assert.Equal(t, exitFailure, got.code)
	assert.Contains(t, got.out, "0 of the nodes are primaries")
}

func TestCheckOffline(t *testing.T) {
	path := settingsFile(t, "")
	got := aioproxy(t, "", "check", "--offline", path)
	assert.Equal(t, outcome{exitOK, path + " is valid\n", ""}, got)

	got = aioproxy(t, "", "check", settingsFile(t, "replica_wait: 20\n"))
	assert.Equal(t, exitUsage, got.code)
	assert.Contains(t, got.err, ":2:15: replica_wait: 20 has no unit; write 20s for seconds or 20ms for milliseconds")
	assert.Empty(t, got.out)
}

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
