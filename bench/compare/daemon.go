package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// daemon is a program under measurement.
type daemon struct {
	cmd    *exec.Cmd
	log    string
	done   chan struct{}
	end    error // valid after done
	waiter sync.WaitGroup
}

// launcher keeps the thread that starts the daemons: they get a signal when it ends (Pdeathsig).
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

func (l *launcher) close() { close(l.jobs); l.wg.Wait() }

// start runs a program as an account and waits until it accepts connections at addr.
func (l *launcher) start(ctx context.Context, dir, addr, account, program string, args ...string) (*daemon, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil { // it runs in dir
		return nil, err
	}
	d := &daemon{cmd: exec.Command(path, args...), log: filepath.Join(dir, filepath.Base(program)+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.Dir = out, out, dir
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Getuid() == 0 && account != "" {
		if d.cmd.SysProcAttr.Credential, err = credential(account); err != nil {
			return nil, err
		}
	}
	started := make(chan error)
	l.jobs <- func() { started <- d.cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	d.waiter.Go(func() { d.end = d.cmd.Wait(); close(d.done) })
	if err := d.accepts(ctx, addr); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func credential(account string) (*syscall.Credential, error) {
	u, err := user.Lookup(account)
	if err != nil {
		return nil, err
	}
	uid, errU := strconv.ParseUint(u.Uid, 10, 32)
	gid, errG := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errU, errG)
}

func (d *daemon) accepts(ctx context.Context, addr string) error {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return c.Close()
		}
		select {
		case <-d.done:
			text, _ := os.ReadFile(d.log)
			return fmt.Errorf("%s ended: %w\n%s", d.cmd.Path, d.end, text)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", d.cmd.Path, addr, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-d.done:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-d.pid(), syscall.SIGKILL)
		<-d.done
	}
	d.waiter.Wait()
	return nil
}
