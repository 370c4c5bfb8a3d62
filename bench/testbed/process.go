package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const stopTimeout = 30 * time.Second

// launcher forks every server from one operating-system thread.
//
// Pdeathsig fires when the *thread* that forked exits, not the process, and the
// Go runtime retires threads as it likes. The thread of this goroutine lives as
// long as the cluster, so a server dies with the process, killed or not, and
// never before.
type launcher struct {
	jobs chan func()
	wg   sync.WaitGroup
}

func newLauncher() *launcher {
	l := &launcher{jobs: make(chan func())}
	l.wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for job := range l.jobs {
			job()
		}
	})
	return l
}

// close waits for every process that was started. Stop them first.
func (l *launcher) close() {
	close(l.jobs)
	l.wg.Wait()
}

// process is one server and, for PostgreSQL, the tree below it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the server was reaped
}

// start runs cmd with its output appended to logPath. onDeath is what the server
// gets when this process dies.
func (l *launcher) start(cmd *exec.Cmd, logPath string, cred *syscall.Credential, onDeath syscall.Signal) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	// An own process group: a Ctrl-C at the terminal is for us, not for the servers.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: onDeath, Setpgid: true}

	started := make(chan error)
	l.jobs <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	l.wg.Go(func() {
		// How it ended is in its log; whoever stopped it expects any status.
		_ = cmd.Wait()
		close(p.done)
	})
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends sig and waits. What does not obey within stopTimeout is killed, and
// that is an error.
func (p *process) stop(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// A frozen server hears nothing; an exited one has nobody to thaw.
	_ = p.signalTree(syscall.SIGCONT)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.kill()
		return fmt.Errorf("%s did not stop within %s of %s and was killed", filepath.Base(p.cmd.Path), stopTimeout, sig)
	}
}

// kill ends the whole tree by SIGKILL and waits until none of it is left: a
// PostgreSQL server refuses to start while a child of its predecessor lives.
func (p *process) kill() {
	children := childrenOf(p.pid())
	_ = p.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	// A child that outlives even SIGKILL makes the next start fail, with a message.
	_ = poll(ctx, func() (bool, error) { return !slices.ContainsFunc(children, alive), nil })
}

// signalTree is for SIGSTOP and SIGCONT.
func (p *process) signalTree(sig syscall.Signal) error {
	if p.exited() {
		return os.ErrProcessDone
	}
	// The parent first, so that a stopped server forks no more.
	if err := p.cmd.Process.Signal(sig); err != nil {
		return err
	}
	for _, pid := range childrenOf(p.pid()) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// childrenOf lists direct children; PostgreSQL's are all direct, and each is in a
// session of its own, out of reach of a process-group signal.
func childrenOf(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, ppid := procStat(pid); ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

func alive(pid int) bool {
	state, _ := procStat(pid)
	return state != "" && state != "Z" && state != "X"
}

// procStat returns the state and the parent of a process, "" and 0 if there is none.
func procStat(pid int) (state string, ppid int) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	// "pid (name) state ppid ...": the name may hold blanks and parentheses.
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 2 {
		return "", 0
	}
	ppid, err = strconv.Atoi(fields[1])
	if err != nil {
		return "", 0
	}
	return fields[0], ppid
}
