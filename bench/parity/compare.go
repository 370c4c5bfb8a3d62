package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// What may differ between two servers without anybody having done anything: process ids and where the server listens.
var (
	processID = regexp.MustCompile(`(server process with PID|[Pp]rocess|backend PID|pid) \d+`)
	address   = regexp.MustCompile(`(connection to server at "[^"]*", port) \d+`)
)

// normalized is what is compared. Nothing else of the output is touched.
func (s *side) normalized(p printed) []byte {
	text := bytes.ReplaceAll(p.text, []byte(s.build), []byte("/builddir"))
	text = bytes.ReplaceAll(text, []byte(s.cluster.Dir()), []byte("/clusterdir"))
	text = processID.ReplaceAll(text, []byte("$1 NNN"))
	text = address.ReplaceAll(text, []byte("$1 NNN"))
	if p.exit != 0 {
		text = append(text, "\nexit status "+strconv.Itoa(p.exit)+"\n"...)
	}
	return text
}

// difference returns the lines that differ as diff -U3 shows them, "" for none, and keeps both outputs in dir if there are any.
func difference(ctx context.Context, dir, file string, direct, through []byte) (string, error) {
	if bytes.Equal(direct, through) {
		return "", nil
	}
	a, b := filepath.Join(dir, file+".direct"), filepath.Join(dir, file+".proxied")
	if err := errors.Join(os.WriteFile(a, direct, 0o600), os.WriteFile(b, through, 0o600)); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "diff", "-a", "-U3", "--label", "direct", "--label", "proxied", a, b).Output()
	var failed *exec.ExitError
	if err != nil && (!errors.As(err, &failed) || failed.ExitCode() != 1) {
		return "", fmt.Errorf("diff: %w", err)
	}
	return string(out), os.WriteFile(filepath.Join(dir, file+".diff"), out, 0o600)
}
