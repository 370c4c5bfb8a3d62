package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// aioproxy is the running program under test.
type aioproxy struct {
	cmd   *exec.Cmd
	log   string // path
	host  string
	port  int
	admin string
	read  sync.WaitGroup
}

// eager is the configuration under test: all that may go to the replica goes there and all that may be kept is kept, at any
// cost, over a handful of server connections. Settings of classes are the operator's own changes of plans; there are none.
const eager = `listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
auth: {method: trust}
log: {format: json}
nodes: ["%s"]
pool: {max_connections: %d, acquire_timeout: 30s}
consistency: global
classes:
  oltp: {route: replica, cache: true, ttl: 5m, settings: {}}
  olap: {route: replica, cache: true, ttl: 5m, settings: {}}
  search: {route: replica, cache: true, ttl: 5m, settings: {}}
  timeseries: {route: replica, cache: true, ttl: 5m, settings: {}}
cache: {store: memory, min_cost: 0s}
`

// startAioproxy runs the program in front of nodes, with its files in dir.
func startAioproxy(program, dir string, nodes []string, connections int) (*aioproxy, error) {
	config := filepath.Join(dir, "aioproxy.yaml")
	text := fmt.Sprintf(eager, strings.Join(nodes, `", "`), connections)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &aioproxy{log: filepath.Join(dir, "aioproxy.log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, "--config", config)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s (`make build` makes it): %w", program, err), log.Close())
	}
	serving := make(chan struct{})
	p.read.Go(func() {
		defer log.Close()
		p.follow(io.TeeReader(stderr, log), serving)
	})
	select {
	case <-serving:
		return p, nil
	case <-time.After(30 * time.Second):
		return nil, errors.Join(errors.New("aioproxy does not serve, see "+p.log), p.stop())
	}
}

// follow takes the addresses out of the log, and the rest to its end, where the program ended.
func (p *aioproxy) follow(log io.Reader, serving chan<- struct{}) {
	lines := bufio.NewReader(log)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var line struct{ Msg, Address string }
		if p.admin != "" || json.Unmarshal(text, &line) != nil {
			continue
		}
		switch line.Msg {
		case "accepting clients":
			host, port, _ := net.SplitHostPort(line.Address)
			p.host = host
			p.port, _ = strconv.Atoi(port)
		case "serving http":
			p.admin = line.Address
			close(serving)
		}
	}
}

// stop ends it as an operator would; the program has to end well.
func (p *aioproxy) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(40*time.Second, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) })
	defer late.Stop()
	p.read.Wait()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("aioproxy, log in %s: %w", p.log, err)
	}
	return nil
}

// families reads /metrics.
func (p *aioproxy) families(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	// Kept for whoever wants to know more than the score says.
	if err := os.WriteFile(filepath.Join(filepath.Dir(p.log), "metrics.txt"), text, 0o600); err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(text))
}
