package testbed

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const orphanEnv = "TESTBED_ORPHAN"

// TestServersDieWithTheirProcess runs itself in a second process, which starts
// servers and is then killed without a chance to clean up.
func TestServersDieWithTheirProcess(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		startAndHang(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestServersDieWithTheirProcess$")
	cmd.Env = append(os.Environ(), orphanEnv+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	var addrs []string
	var dir string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			fields := strings.Fields(rest)
			dir, addrs = fields[0], fields[1:]
			break
		}
	}
	require.NotEmpty(t, addrs, "the second process never got ready")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, addr := range addrs {
		require.True(t, listening(addr))
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, addr := range addrs {
		require.Eventually(t, func() bool { return !listening(addr) }, 20*time.Second, 10*time.Millisecond, addr)
	}

	// Its directory is the next cluster's to remove, once it is old enough.
	old := time.Now().Add(-time.Hour)
	require.DirExists(t, dir)
	require.NoError(t, os.Chtimes(dir+"/lock", old, old))
	require.Eventually(t, func() bool {
		c, err := Start(deadline(t), Options{})
		require.NoError(t, err)
		require.NoError(t, c.Close())
		_, err = os.Stat(dir)
		return os.IsNotExist(err)
	}, 20*time.Second, 10*time.Millisecond)
	require.DirExists(t, servers.Dir(), "a living cluster is left alone")
}

// startAndHang uses the cluster that TestMain of the second process started.
func startAndHang(t *testing.T) {
	addrs := append(servers.Addrs(), servers.Redis().Addr())
	_, err := os.Stdout.WriteString("ready " + servers.Dir() + " " + strings.Join(addrs, " ") + "\n")
	require.NoError(t, err)
	<-t.Context().Done()
}
