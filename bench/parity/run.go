package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// bench is two sides and the folder of one run of a suite.
type bench struct {
	suite   *suite
	inputs  *inputs
	dir     string // of what is kept: outputs that differ, logs
	work    string // of what is not
	srcdir  string // the inputs' data, where both servers can read it
	sides   [2]*side
	version string
}

// runSuite runs all chosen files of a suite on both sides.
func runSuite(ctx context.Context, opt options, in *inputs, s *suite, w io.Writer) (sc *score, err error) {
	began := time.Now()
	b, err := newBench(ctx, opt, in, s)
	if b != nil {
		defer func() { err = errors.Join(err, b.close()) }()
	}
	if err != nil {
		return nil, err
	}
	sc = &score{suite: s.name, dir: b.dir, version: b.version, lag: opt.lag, connections: s.connections}
	stopNoise, err := b.makeNoise(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.compareAll(ctx, sc, w); err != nil {
		return nil, errors.Join(err, stopNoise(nil))
	}
	if err := stopNoise(sc); err != nil {
		return nil, err
	}
	if p := b.sides[1].proxy; p != nil {
		if sc.use, err = p.usage(ctx); err != nil {
			return nil, err
		}
	}
	sc.elapsed = time.Since(began)
	return sc, nil
}

// turn is a file, or the reads of a file, to be run.
type turn struct {
	name  string
	stdin string
	again bool
}

func (b *bench) turns() ([]turn, error) {
	var turns []turn
	for _, f := range b.suite.files {
		turns = append(turns, turn{name: f, stdin: b.suite.stdin(f)})
	}
	for _, f := range b.suite.again {
		path, err := b.writeReads(f)
		if err != nil {
			return nil, err
		}
		turns = append(turns, turn{name: f + ".reads", stdin: path, again: true})
	}
	return turns, nil
}

// compareAll runs the files in their order, and then the reads of some of them.
func (b *bench) compareAll(ctx context.Context, sc *score, w io.Writer) error {
	turns, err := b.turns()
	if err != nil {
		return err
	}
	for i, t := range turns {
		r, err := b.compare(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Fprintf(w, "%s %d/%d %s\n", b.suite.name, i+1, len(turns), r)
		sc.results = append(sc.results, r)
	}
	return nil
}

// serve is for whoever looks into a difference by hand.
func serve(ctx context.Context, opt options, in *inputs, s *suite, w io.Writer) error {
	b, err := newBench(ctx, opt, in, s)
	if err == nil {
		for _, s := range b.sides {
			fmt.Fprintf(w, "%s: PGHOST=%s PGPORT=%d PGUSER=postgres PGDATABASE=%s\n", s.name, s.host, s.port, b.suite.database)
		}
		<-ctx.Done()
	}
	if b != nil {
		err = errors.Join(err, b.close())
	}
	return err
}

// newBench starts everything; what it returns with an error is to be closed all the same.
func newBench(ctx context.Context, opt options, in *inputs, s *suite) (*bench, error) {
	b := &bench{suite: s, inputs: in, dir: filepath.Join(opt.out, s.name)}
	var err error
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(b.dir), os.MkdirAll(b.dir, 0o750)); err != nil {
		return nil, err
	}
	if b.work, err = os.MkdirTemp("/tmp", "aioproxy-parity-"); err != nil { // short, and the servers reach it
		return nil, err
	}
	b.srcdir = filepath.Join(b.work, "src")
	if err := errors.Join(os.Chmod(b.work, 0o755), copyData(in.data(), filepath.Join(b.srcdir, "data"))); err != nil {
		return b, err
	}
	lag := time.Duration(opt.lag) * time.Millisecond
	var starting errgroup.Group
	for i, name := range []string{"direct", "proxied"} {
		// The folders' names are of one length: they are part of outputs, whose columns are as wide as what is in them.
		build := filepath.Join(b.work, fmt.Sprintf("side%d", i))
		starting.Go(func() (err error) {
			b.sides[i], err = newSide(ctx, name, build, lag)
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return b, err
	}
	if !opt.self {
		p, err := startAioproxy(opt.aioproxy, b.dir, b.sides[1].cluster.Addrs(), s.connections)
		if err != nil {
			return b, err
		}
		b.sides[1].through(p)
	}
	return b, b.createDatabases(ctx)
}

func (b *bench) createDatabases(ctx context.Context) error {
	for _, s := range b.sides {
		if err := s.createDatabase(ctx, b.suite.database); err != nil {
			return err
		}
	}
	conn, err := b.sides[0].cluster.Primary().Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.QueryRow(ctx, "SHOW server_version").Scan(&b.version)
}

// copyData puts the inputs' data where servers that run as another user can read it.
func copyData(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Dir(to), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

// compare runs one file on both sides at the same time.
func (b *bench) compare(ctx context.Context, t turn) (result, error) {
	began := time.Now()
	var out [2]printed
	var took [2]time.Duration
	group, running := errgroup.WithContext(ctx)
	for i, s := range b.sides {
		group.Go(func() (err error) {
			j := b.suite.job(s, t.name, t.stdin, b.srcdir)
			j.onLate = func() { b.logBlocked(s, t.name) }
			out[i], err = execute(running, j)
			took[i] = time.Since(began)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return result{}, err
	}
	r := result{file: t.name, again: t.again, took: took}
	for i, s := range b.sides {
		if out[i].late {
			r.failure = s.name + " took too long, see " + blockedLog(b.dir, t.name)
		}
		if !s.cluster.Primary().Running() {
			return r, errors.New("the primary of the side " + s.name + " is gone")
		}
	}
	var err error
	r.diff, err = difference(ctx, b.dir, t.name, b.sides[0].normalized(out[0]), b.sides[1].normalized(out[1]))
	r.reason = understood(b.suite.name, t.name, r.diff)
	return r, err
}

func (b *bench) close() error {
	var errs []error
	for _, s := range b.sides {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(b.work))...)
}
