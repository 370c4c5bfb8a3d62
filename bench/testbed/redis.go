package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// RedisServer keeps its address, not its data, over Stop and Start. Methods are
// safe for concurrent use.
type RedisServer struct {
	c    *Cluster
	path string
	port int

	mu struct {
		sync.Mutex
		proc *process // nil when stopped
	}
}

// Addr is host:port.
func (r *RedisServer) Addr() string { return net.JoinHostPort(host, strconv.Itoa(r.port)) }

func (r *RedisServer) logPath() string { return filepath.Join(r.c.dir.path, "redis.log") }

// Start returns when the server answers PING. It does nothing for a running one.
func (r *RedisServer) Start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.proc != nil && !r.mu.proc.exited() {
		return nil
	}
	cmd := exec.Command(r.path, "--bind", host, "--port", strconv.Itoa(r.port),
		"--save", "", "--appendonly", "no", "--dir", r.c.dir.path, "--daemonize", "no")
	cmd.Dir = r.c.dir.path
	cmd.Env = serverEnv(r.c.dir.path)
	proc, err := r.c.launcher.start(cmd, r.logPath(), r.c.account.cred, syscall.SIGKILL)
	if err != nil {
		return err
	}
	if err := r.waitReady(proc); err != nil {
		proc.kill()
		return err
	}
	r.mu.proc = proc
	return nil
}

func (r *RedisServer) waitReady(proc *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		if !proc.exited() {
			return r.ping(), nil
		}
		if portTaken(r.port) {
			return false, errPortTaken
		}
		return false, errors.New("server exited")
	})
	if err != nil {
		return fmt.Errorf("start Redis on %s: %w\n%s", r.Addr(), err, tail(r.logPath()))
	}
	return nil
}

func (r *RedisServer) ping() bool {
	conn, err := net.DialTimeout("tcp", r.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && line == "+PONG\r\n"
}

// Stop shuts the server down. It does nothing for a stopped one.
func (r *RedisServer) Stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.proc == nil {
		return nil
	}
	err := r.mu.proc.stop(syscall.SIGTERM)
	r.mu.proc = nil
	return err
}

// Kill ends the server by SIGKILL.
func (r *RedisServer) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.proc != nil {
		r.mu.proc.kill()
		r.mu.proc = nil
	}
}

// Freeze lets the server accept connections and answer nothing. Thaw ends it.
func (r *RedisServer) Freeze() error { return r.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (r *RedisServer) Thaw() error { return r.signal(syscall.SIGCONT) }

func (r *RedisServer) signal(sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.proc == nil {
		return ErrNotRunning
	}
	return r.mu.proc.signalTree(sig)
}
