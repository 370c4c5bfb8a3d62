package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// job is a program of the suite: what it reads, and for how long it may run.
type job struct {
	args  []string
	stdin string // path
	dir   string
	env   []string
	limit time.Duration
	// onLate is called when the limit is over, while everything still stands where it stands.
	onLate func()
}

// printed is what a job leaves to compare.
type printed struct {
	text []byte // standard output and error, in their order
	exit int
	late bool
}

// execute runs a job to its end. That it fails is part of what it prints; an error is that it could not be run.
func execute(ctx context.Context, j job) (printed, error) {
	in, err := os.Open(j.stdin)
	if err != nil {
		return printed{}, err
	}
	defer in.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, j.limit, errLate)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.args[0], j.args[1:]...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &out
	cmd.Dir, cmd.Env = j.dir, j.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	cmd.Cancel = func() error {
		if errors.Is(context.Cause(ctx), errLate) && j.onLate != nil {
			j.onLate()
		}
		// The whole group: psql starts programs of its own.
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	err = cmd.Run()
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errLate) {
		return printed{}, context.Cause(ctx)
	}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) && !errors.Is(err, exec.ErrWaitDelay) {
		return printed{}, fmt.Errorf("%s: %w", j.args[0], err)
	}
	return printed{out.Bytes(), cmd.ProcessState.ExitCode(), errors.Is(context.Cause(ctx), errLate)}, nil
}

var errLate = errors.New("took too long")
