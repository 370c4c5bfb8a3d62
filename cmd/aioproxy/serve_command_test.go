package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lockedText is a log that is read while it is written.
type lockedText struct {
	mu struct {
		sync.Mutex
		text strings.Builder
	}
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.text.String()
}

// serving runs a command line that serves; stop ends it and returns the exit code.
func serving(t *testing.T, log *lockedText, args ...string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	code := -1
	var done sync.WaitGroup
	done.Go(func() { code = run(ctx, args, streams{in: strings.NewReader(""), out: log, err: log}) })
	stop = func() int {
		cancel()
		done.Wait()
		return code
	}
	t.Cleanup(func() { stop() })
	return stop
}

var accepting = regexp.MustCompile(`accepting clients.*?(127\.0\.0\.1:\d+)`)

func clientAddress(t *testing.T, log *lockedText) string {
	t.Helper()
	require.Eventually(t, func() bool { return accepting.MatchString(log.String()) }, 20*time.Second, 10*time.Millisecond, log)
	return accepting.FindStringSubmatch(log.String())[1]
}

func TestServeFromFlagsAlone(t *testing.T) {
	var log lockedText
	stop := serving(t, &log, "--nodes", strings.Join(bed.Addrs(), ","), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--auth-method", "trust")
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, "postgres://postgres@"+clientAddress(t, &log)+"/postgres?sslmode=disable")
	require.NoError(t, err)
	var sum int
	require.NoError(t, conn.QueryRow(ctx, "SELECT 40 + 2").Scan(&sum))
	assert.Equal(t, 42, sum)
	require.NoError(t, conn.Close(ctx))
	assert.Equal(t, exitOK, stop(), log.String())
}

// A reload says what it applied and what it could not.
func TestServeReloadsOnHangup(t *testing.T) {
	text := "auth: {method: trust}\nlisten: 127.0.0.1:0\nadmin_listen: \"\"\n"
	path := settingsFile(t, text)
	var log lockedText
	stop := serving(t, &log, "--config", path)
	clientAddress(t, &log)

	before, err := os.ReadFile(filepath.Clean(path))
	require.NoError(t, err)
	after := string(before) + "max_clients: 3\ncheck_timeout: 3s\n"
	require.NoError(t, os.WriteFile(path, []byte(after), 0o600))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "configuration reloaded") },
		10*time.Second, 10*time.Millisecond, &log)
	assert.Regexp(t, `"applied": \["max_clients"\], "need_restart": \["check_timeout"\]`, log.String())

	require.NoError(t, os.WriteFile(path, []byte(after+"nonsense: 1\n"), 0o600))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "unknown key") },
		10*time.Second, 10*time.Millisecond, &log)
	assert.Equal(t, exitOK, stop(), log.String())
}
