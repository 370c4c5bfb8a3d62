// Command parity runs PostgreSQL's own regression and isolation suites twice, on a direct connection and through aioproxy, and
// compares what they print. It is run by `make parity`, which also lets it write the score into docs/COMPATIBILITY.md.
//
// The oracle is PostgreSQL itself: there are no expected files. Both sides are a primary with a replica of their own, in the
// same state before every file, because every file before it ran on both.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are the command line.
type options struct {
	inputs   string        // a folder with the suites
	aioproxy string        // the program under test
	suites   []string      // which
	files    []string      // of them; none means all
	ci       bool          // the fixed, representative part
	out      string        // where outputs and differences are kept
	doc      string        // the page that gets the score; "" for none
	self     bool          // compare PostgreSQL with itself: what the suites themselves leave to chance
	lag      int           // how late the replica applies commits, in milliseconds
	serve    bool          // only start both sides and wait
	compose  time.Duration // how long sessions composed at random are compared; 0: not at all
	seed     uint64        // of the first of them; 0: any
	noise    int           // other sessions on the same pool while the regression suite runs
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}

func parseOptions(args []string) (options, error) {
	var o options
	f := pflag.NewFlagSet("parity", pflag.ContinueOnError)
	f.StringVar(&o.inputs, "inputs", os.Getenv("PGREGRESS"), "folder with sql/, data/, parallel_schedule and isolation/ (PGREGRESS)")
	f.StringVar(&o.aioproxy, "aioproxy", "bin/aioproxy", "the program under test")
	f.StringSliceVar(&o.suites, "suite", []string{"regress", "isolation"}, "the suites to run; none for none")
	f.StringSliceVar(&o.files, "files", nil, "only these files (test_setup comes by itself)")
	f.BoolVar(&o.ci, "ci", false, "only the part that continuous integration runs")
	f.StringVar(&o.out, "out", "bin/parity", "where outputs and differences are kept")
	f.StringVar(&o.doc, "doc", "", "page that gets the score")
	f.BoolVar(&o.self, "self", false, "run both sides directly: what the suites leave to chance")
	f.IntVar(&o.lag, "lag", 200, "how late the replica applies commits, in milliseconds")
	f.BoolVar(&o.serve, "serve", false, "start both sides of the first suite, say where they are, and wait for Ctrl-C")
	f.DurationVar(&o.compose, "compose", 0, "compare sessions composed at random for this long")
	f.Uint64Var(&o.seed, "seed", 0, "where they begin; 0: anywhere")
	f.IntVar(&o.noise, "noise", 2, "other sessions on the same pool while the regression suite runs")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if len(o.suites) == 1 && o.suites[0] == "none" {
		o.suites = nil
	}
	if o.doc != "" && (o.ci || o.self || len(o.files) > 0 || len(o.suites) == 1) {
		return o, errors.New("--doc wants the score of the whole: no --ci, --self, --files or a single --suite with it")
	}
	return o, nil
}

func run(ctx context.Context, args []string, w io.Writer) error {
	opt, err := parseOptions(args)
	if err != nil {
		return err
	}
	in, err := findInputs(ctx, opt.inputs, w)
	if err != nil {
		return err
	}
	suites, err := chosenSuites(ctx, opt, in)
	if err != nil {
		return err
	}
	if opt.serve && len(suites) > 0 {
		return serve(ctx, opt, in, suites[0], w)
	}
	var scores []*score
	for _, s := range suites {
		sc, err := runSuite(ctx, opt, in, s, w)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		sc.print(w)
		scores = append(scores, sc)
	}
	if opt.doc != "" && len(scores) > 0 {
		if err := writeScores(opt.doc, scores); err != nil {
			return err
		}
	}
	return errors.Join(verdict(opt, scores), composed(ctx, opt, w))
}

func composed(ctx context.Context, opt options, w io.Writer) error {
	if opt.compose == 0 {
		return nil
	}
	res, err := runComposed(ctx, opt, w)
	if err != nil {
		return fmt.Errorf("composed sessions: %w", err)
	}
	if opt.doc != "" {
		err = writeComposed(opt.doc, res)
	}
	if n := len(res.Failures); n > 0 {
		err = errors.Join(err, fmt.Errorf("composed sessions: %d of %d rounds differ", n, res.Rounds))
	}
	return err
}

// verdict is what the exit status says: whether all that ran is identical or understood, and whether the way there was through
// replica and cache at all.
func verdict(opt options, scores []*score) error {
	var errs []error
	for _, sc := range scores {
		if bad := sc.unexplained(); len(bad) > 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d files differ, see %s: %s",
				sc.suite, len(bad), len(sc.results), sc.dir, strings.Join(bad, " ")))
		}
		if !opt.self && len(opt.files) == 0 {
			errs = append(errs, sc.honest())
		}
	}
	return errors.Join(errs...)
}

func chosenSuites(ctx context.Context, opt options, in *inputs) ([]*suite, error) {
	makers := map[string]func(context.Context, options, *inputs) (*suite, error){"regress": regressSuite, "isolation": isolationSuite}
	var chosen []*suite
	var known []string
	for _, name := range opt.suites {
		mk, ok := makers[name]
		if !ok {
			return nil, fmt.Errorf("no suite %q: write regress or isolation", name)
		}
		s, err := mk(ctx, opt, in)
		if err != nil {
			return nil, err
		}
		if opt.ci {
			if err := missing(s.part, s.files); err != nil {
				return nil, err
			}
		}
		known = append(known, s.files...)
		if s.choose(opt); len(s.files) > 0 {
			chosen = append(chosen, s)
		}
	}
	for _, f := range opt.files {
		if !slices.Contains(known, f) {
			return nil, fmt.Errorf("no file %q in %s", f, strings.Join(opt.suites, " or "))
		}
	}
	return chosen, nil
}
