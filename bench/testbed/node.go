package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startTimeout = 60 * time.Second
	pollInterval = 10 * time.Millisecond
)

// ErrNotRunning is returned for an operation that needs a running server.
var ErrNotRunning = errors.New("server is not running")

var errPortTaken = errors.New("port was taken by another process")

// Node is one PostgreSQL server. Its address and data survive Stop and Kill.
// Methods are safe for concurrent use.
type Node struct {
	Host string
	Port int
	// Name is the application_name under which a replica streams.
	Name string

	c       *Cluster
	dataDir string
	logPath string

	mu struct {
		sync.Mutex
		proc *process // nil when stopped
	}
}

// Addr is host:port.
func (n *Node) Addr() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

// SocketDir is where the unix socket of the server is.
func (n *Node) SocketDir() string { return n.c.dir.path }

// DSN is for user postgres, who needs no password.
func (n *Node) DSN(database string) string { return n.UserDSN("postgres", "", database) }

// UserDSN is for a role the test created; an empty password is left out.
func (n *Node) UserDSN(user, password, database string) string {
	if password != "" {
		user += ":" + password
	}
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user, n.Addr(), database)
}

// Connect opens a connection as postgres; the caller closes it.
func (n *Node) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, n.DSN(database))
}

// Exec runs statements, each in its own implicit transaction, on a new connection.
func (n *Node) Exec(ctx context.Context, database string, statements ...string) error {
	conn, err := n.Connect(ctx, database)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		// The simple protocol: a statement may be several, or one that cannot be prepared.
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

// Running tells whether the server process exists.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.proc != nil && !n.mu.proc.exited()
}

// Start starts a stopped or killed server and returns when it accepts
// connections. It does nothing for a running one.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.proc != nil && !n.mu.proc.exited() {
		return nil
	}
	cmd := exec.Command(filepath.Join(n.c.bindir, "postgres"), "-D", n.dataDir)
	cmd.Dir = n.dataDir
	cmd.Env = serverEnv(n.c.dir.path)
	// SIGQUIT is an immediate shutdown; SIGTERM would wait for the clients to leave.
	proc, err := n.c.launcher.start(cmd, n.logPath, n.c.account.cred, syscall.SIGQUIT)
	if err != nil {
		return err
	}
	if err := n.waitReady(proc); err != nil {
		proc.kill()
		return err
	}
	n.mu.proc = proc
	return nil
}

func (n *Node) waitReady(proc *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		if proc.exited() {
			return false, n.startFailure()
		}
		return n.answers(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("start PostgreSQL on %s: %w\n%s", n.Addr(), err, tail(n.logPath))
	}
	return nil
}

// answers makes sure that it is this server which has the port, not a stranger.
func (n *Node) answers(ctx context.Context) bool {
	conn, err := n.Connect(ctx, "postgres")
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close(ctx) }()
	var dir string
	err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&dir)
	return err == nil && dir == n.dataDir
}

func (n *Node) startFailure() error {
	if portTaken(n.Port) {
		return errPortTaken
	}
	return errors.New("server exited")
}

// Stop shuts the server down: "fast" disconnects the clients, "immediate" leaves
// recovery to the next start, "smart" waits for the clients. It does nothing for
// a stopped server.
func (n *Node) Stop(mode string) error {
	signals := map[string]syscall.Signal{
		"fast": syscall.SIGINT, "immediate": syscall.SIGQUIT, "smart": syscall.SIGTERM,
	}
	sig, ok := signals[mode]
	if !ok {
		return fmt.Errorf("unknown stop mode %q: use fast, immediate or smart", mode)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.proc == nil {
		return nil
	}
	err := n.mu.proc.stop(sig)
	n.mu.proc = nil
	return err
}

// Kill ends the server and all its backends by SIGKILL.
func (n *Node) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.proc != nil {
		n.mu.proc.kill()
		n.mu.proc = nil
	}
}

// Freeze stops the server's processes where they are: connections stay open, new
// ones are accepted by the kernel, nobody answers. Thaw ends it.
func (n *Node) Freeze() error { return n.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (n *Node) Thaw() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.proc == nil {
		return ErrNotRunning
	}
	return n.mu.proc.signalTree(sig)
}

// Log is the path of the server's log.
func (n *Node) Log() string { return n.logPath }

// tail returns the end of a log, for an error message.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const most = 4096
	return string(b[max(0, len(b)-most):])
}

// poll calls cond until it is true, it fails or ctx ends.
func poll(ctx context.Context, cond func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		ok, err := cond()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
