// Package drivers_test runs programs that people really use, directly on PostgreSQL and through the built aioproxy.
package drivers_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

var (
	bed    *testbed.Cluster
	binary string // the built aioproxy
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "aioproxy-drivers-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "aioproxy")
	args := append(append([]string{"build"}, buildFlags...), "-o", binary, "../../cmd/aioproxy")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		_, _ = os.Stderr.Write(out)
		return 1
	}
	return testbed.Main(m, testbed.Options{Replicas: 1, Redis: true, Conf: map[string]string{"wal_level": "logical"}}, func(c *testbed.Cluster) { bed = c })
}

// proxy is a running aioproxy process.
type proxy struct {
	host, port string // where clients are accepted
	admin      string // where HTTP is served
}

// startProxy runs the program with a configuration file, which gets the nodes and addresses in front, until the test ends.
// It must then stop cleanly; a data race found by then fails the test.
func startProxy(t *testing.T, config string) *proxy {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aioproxy.yaml")
	head := "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nauth: {method: trust}\nlog: {format: json}\n" +
		"nodes: [\"" + strings.Join(bed.Addrs(), `", "`) + "\"]\n"
	require.NoError(t, os.WriteFile(path, []byte(head+config), 0o600))

	cmd := exec.Command(binary, "--config", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	var p proxy
	serving := make(chan struct{})
	var log bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() { p.read(io.TeeReader(stderr, &log), serving) })
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		reading.Wait()
		err := cmd.Wait()
		if err != nil || t.Failed() {
			t.Logf("log of aioproxy:\n%s", log.String())
		}
		if err != nil {
			t.Errorf("aioproxy ended with: %v", err)
		}
	})
	select {
	case <-serving:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		require.Fail(t, "aioproxy does not serve")
	}
	return &p
}

// read takes the addresses out of the log, and the rest to its end.
func (p *proxy) read(log io.Reader, serving chan<- struct{}) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Msg {
		case "accepting clients":
			p.host, p.port, _ = net.SplitHostPort(line.Address)
		case "serving http":
			p.admin = line.Address
			close(serving)
		}
	}
}

func (p *proxy) dsn(database string) string {
	return "postgres://postgres@" + net.JoinHostPort(p.host, p.port) + "/" + database + "?sslmode=disable"
}

// counters reads one counter, or gauge, from /metrics: its values by their labels, joined as they are listed.
func (p *proxy) counters(t *testing.T, name string, labels ...string) map[string]float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+"/metrics", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	require.NoError(t, err)
	values := map[string]float64{}
	for _, m := range families[name].GetMetric() {
		of := map[string]string{}
		for _, l := range m.GetLabel() {
			of[l.GetName()] = l.GetValue()
		}
		key := make([]string, len(labels))
		for i, l := range labels {
			key[i] = of[l]
		}
		values[strings.Join(key, " ")] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return values
}

// environment is how every program here is told where to connect.
func environment(host, port, database string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C.UTF-8", "TZ=UTC", "PGTZ=UTC",
		"PGHOST=" + host, "PGPORT=" + port, "PGDATABASE=" + database, "PGUSER=postgres", "PGSSLMODE=disable",
	}
	return env
}

// command is a program that runs to its end with its output caught.
func command(ctx context.Context, t *testing.T, env []string, name string, args ...string) (stdout string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = env
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err = cmd.Run()
	if err != nil {
		t.Logf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, out.String(), stderr.String())
	}
	return out.String() + stderr.String(), err
}
