package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// database is where the rows run.
const database = "bench"

// sample is what one row said of one target in one round; a figure that does not apply is missing.
type sample map[figure]float64

// figure is a column of a row.
type figure string

// The figures, with their units.
const (
	perSecond figure = "per second"
	cpuPer    figure = "CPU us each"
	average   figure = "average ms"
	p99       figure = "p99 ms"
	perClient figure = "KiB per client"
	megabytes figure = "MB/s"
	cpuPerMB  figure = "CPU ms per MB"
)

var (
	processedLine = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	rateLine      = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	averageLine   = regexp.MustCompile(`latency average = ([0-9.]+) ms`)
	failedLine    = regexp.MustCompile(`number of failed transactions: ([1-9]\d*)`)
)

// pgbench runs it against a target and measures the target meanwhile.
func (b *bench) pgbench(ctx context.Context, t *target, args ...string) (sample, error) {
	dir, err := os.MkdirTemp(b.dir, "log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args = append([]string{"-n", "-T", strconv.Itoa(int(b.seconds)), "-l", "--log-prefix", filepath.Join(dir, "t")}, args...)
	m, err := startMeter(t.pid())
	if err != nil {
		return nil, err
	}
	out, err := t.run(ctx, "pgbench", args...)
	if err != nil {
		return nil, err
	}
	cpu, _, err := m.stop()
	if err != nil {
		return nil, err
	}
	s, done, err := readPgbench(out)
	if err != nil {
		return nil, err
	}
	if t.daemon != nil {
		s[cpuPer] = float64(cpu.Microseconds()) / done
	}
	if s[p99], err = logged99(dir); err != nil {
		return nil, err
	}
	return s, nil
}

func (t *target) run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = t.environment(database)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s to %s: %w\n%s", program, t.name, err, lastLines(string(out), 5))
	}
	return string(out), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func readPgbench(out string) (s sample, done float64, err error) {
	if m := failedLine.FindStringSubmatch(out); m != nil {
		return nil, 0, fmt.Errorf("pgbench: %s transactions failed", m[1])
	}
	s = sample{}
	for _, f := range []struct {
		line *regexp.Regexp
		set  func(float64)
	}{
		{processedLine, func(v float64) { done = v }},
		{rateLine, func(v float64) { s[perSecond] = v }},
		{averageLine, func(v float64) { s[average] = v }},
	} {
		m := f.line.FindStringSubmatch(out)
		if m == nil {
			return nil, 0, fmt.Errorf("pgbench did not say %q:\n%s", f.line, lastLines(out, 10))
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, 0, err
		}
		f.set(v)
	}
	if done == 0 {
		return nil, 0, fmt.Errorf("pgbench finished no transaction")
	}
	return s, done, nil
}

// logged99 is the 99th percentile, in ms, of the latencies in pgbench's logs, whose third field is in us.
func logged99(dir string) (float64, error) {
	files, err := filepath.Glob(filepath.Join(dir, "t*"))
	if err != nil {
		return 0, err
	}
	var all []int
	for _, file := range files {
		if all, err = appendLatencies(all, file); err != nil {
			return 0, err
		}
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("pgbench logged nothing")
	}
	slices.Sort(all)
	return float64(all[len(all)*99/100]) / 1000, nil
}

func appendLatencies(all []int, file string) ([]int, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		us, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, us)
	}
	return all, lines.Err()
}
