package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/bench/parity/compose"
	"github.com/aioproxy/aioproxy/bench/parity/report"
)

// composedSection is the place of these results in docs/COMPATIBILITY.md.
const composedSection = "composed"

// composedConnections are shared by six sessions.
const composedConnections = 3

// composedMost is how many differences are collected before the run is given up.
const composedMost = 20

// runComposed compares sessions composed at random for as long as the command line says.
func runComposed(ctx context.Context, opt options, w io.Writer) (res compose.Result, err error) {
	dir := filepath.Join(opt.out, "composed")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return res, err
	}
	s, err := newSide(ctx, "composed", filepath.Join(dir, "build"), time.Duration(opt.lag)*time.Millisecond)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p, err := startAioproxy(opt.aioproxy, dir, s.cluster.Addrs(), composedConnections)
	if err != nil {
		return res, err
	}
	s.through(p)
	seed := opt.seed
	if seed == 0 {
		seed = rand.Uint64N(1 << 32)
	}
	_, _ = fmt.Fprintf(w, "composed sessions for %s from seed %d\n", opt.compose, seed)
	res, err = compose.Run(ctx, compose.Options{
		Nodes: s.cluster.Addrs(), Proxy: fmt.Sprintf("%s:%d", p.host, p.port), Seed: seed, Duration: opt.compose,
		Without: compose.Known(), Failures: composedMost, Shrink: time.Minute,
	})
	if err != nil {
		return res, err
	}
	_, _ = fmt.Fprintf(w, "composed: %d rounds, %d sessions, %d pieces, %d messages compared in %s; %d rounds differ\n",
		res.Rounds, res.Sessions, res.Pieces, res.Messages, res.Elapsed.Round(time.Second), len(res.Failures))
	_, _ = fmt.Fprintf(w, "not compared: %d rounds that crashed PostgreSQL itself %v, %d that it left unanswered itself %v\n",
		len(res.Crashed), res.Crashed, len(res.Silent), res.Silent)
	for _, f := range res.Failures {
		_, _ = fmt.Fprintf(w, "seed %d differs (again: %v)\n%s\n%s\n", f.Seed, f.Repeated, f.Report, f.Script)
	}
	return res, nil
}

// writeComposed tells the page.
func writeComposed(page string, res compose.Result) error {
	var b strings.Builder
	b.WriteString("| minutes | rounds | sessions | pieces | messages compared | rounds that differ | not compared, as PostgreSQL itself " +
		"crashed | or never answered |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	fmt.Fprintf(&b, "| %.0f | %d | %d | %d | %d | %d | %d | %d |\n\n", res.Elapsed.Minutes(), res.Rounds, res.Sessions, res.Pieces, res.Messages,
		len(res.Failures), len(res.Crashed), len(res.Silent))
	for _, f := range res.Failures {
		fmt.Fprintf(&b, "Seed %d (again when repeated: %v):\n\n```\n%s\n```\n\n", f.Seed, f.Repeated, strings.TrimSpace(f.Script))
	}
	return report.Update(page, composedSection, b.String())
}
