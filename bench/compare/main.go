package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

// bench is one run.
type bench struct {
	server   server
	launcher *launcher
	dir      string
	binary   string
	seconds  uint
	rounds   uint
	builds   []string // specifications of targets that are builds of aioproxy
	profiles string   // directory for CPU profiles of aioproxy; empty for none
	row      *row     // under way
	out      io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	b := &bench{out: out}
	flags := pflag.NewFlagSet("compare", pflag.ContinueOnError)
	flags.StringVar(&b.binary, "binary", "bin/aioproxy", "the build of aioproxy to measure")
	others := flags.StringSlice("build", nil, "another build to measure beside it, as `name=path`")
	flags.UintVar(&b.seconds, "seconds", 5, "length of one measurement")
	flags.UintVar(&b.rounds, "rounds", 3, "how often the targets take turns")
	only := flags.String("rows", "", "measure only the rows that match this regular expression")
	report := flags.String("report", "", "write the tables to this file as well")
	flags.StringVar(&b.profiles, "profiles", "", "write a CPU profile of aioproxy per row and round to this directory; it costs a few per cent")
	list := flags.Bool("list", false, "list the rows")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if b.profiles != "" {
		if err := os.MkdirAll(b.profiles, 0o755); err != nil {
			return err
		}
	}
	if *list {
		for _, r := range chosen {
			_, _ = fmt.Fprintln(out, r.name)
		}
		return nil
	}
	b.builds = append([]string{"aioproxy"}, *others...)
	if b.dir, err = os.MkdirTemp("", "aioproxy-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	b.launcher = newLauncher()
	defer b.launcher.close()
	tables, err := b.measureAll(ctx, chosen)
	if err != nil || *report == "" {
		return err
	}
	return os.WriteFile(*report, tables, 0o644)
}

// choose returns the rows whose names match.
func choose(pattern string) ([]row, error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("--rows: %w", err)
	}
	chosen := slices.DeleteFunc(rows(), func(r row) bool { return !match.MatchString(r.name) })
	if len(chosen) == 0 {
		return nil, fmt.Errorf("--rows: no row matches %q; see --list", pattern)
	}
	return chosen, nil
}

// measureAll starts the servers and the targets, and takes the rows one after the other.
func (b *bench) measureAll(ctx context.Context, chosen []row) (tables []byte, err error) {
	cluster, err := testbed.Start(ctx, testbed.Options{Conf: map[string]string{
		"max_connections": "300", "shared_buffers": "512MB", "synchronous_commit": "off",
	}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	b.server = server{host: cluster.Primary().Host, port: cluster.Primary().Port}
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	running := map[string]*target{}
	defer func() {
		for _, t := range running {
			err = errors.Join(err, b.stopTargets([]*target{t}))
		}
	}()
	var report bytes.Buffer
	for i := range chosen {
		r, err := b.measureRow(ctx, &chosen[i], running)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", chosen[i].name, err)
		}
		r.write(io.MultiWriter(&report, b.out))
	}
	return report.Bytes(), nil
}

// load fills the database.
func (b *bench) load(ctx context.Context) error {
	direct := b.direct()
	for _, c := range [][]string{
		{"createdb", database},
		{"pgbench", "-i", "-q", "-s", "10"},
		{"psql", "-qX", "-c", "CREATE TABLE bulk AS " + bulkRows, "-c", "CREATE UNLOGGED TABLE bulk_in (LIKE bulk)", "-c", "VACUUM ANALYZE"},
	} {
		if _, err := direct.run(ctx, c[0], c[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// direct is the server itself.
func (b *bench) direct() *target {
	return &target{name: "direct", host: b.server.host, port: b.server.port}
}

// measureRow takes the rounds of one row.
func (b *bench) measureRow(ctx context.Context, r *row, running map[string]*target) (*results, error) {
	res := &results{row: r}
	b.row = r
	for range b.rounds {
		for _, spec := range b.specs(r) {
			s, err := b.measure(ctx, r, spec, running)
			if err != nil {
				return nil, err
			}
			name, _, _ := strings.Cut(spec, "=")
			res.add(name, s)
		}
	}
	return res, nil
}

func (b *bench) measure(ctx context.Context, r *row, spec string, running map[string]*target) (sample, error) {
	if r.fresh || b.profiles != "" { // a profile covers the life of a process
		t, err := b.startTarget(ctx, spec)
		if err != nil {
			return nil, err
		}
		s, err := r.measure(ctx, b, t)
		return s, errors.Join(err, b.stopTargets([]*target{t}))
	}
	t := running[spec]
	if t == nil {
		var err error
		if t, err = b.startTarget(ctx, spec); err != nil {
			return nil, err
		}
		running[spec] = t
	}
	return r.measure(ctx, b, t)
}

func (b *bench) specs(r *row) []string {
	var specs []string
	for _, name := range r.targets {
		if name == builds {
			specs = append(specs, b.builds...)
		} else {
			specs = append(specs, name)
		}
	}
	return specs
}
