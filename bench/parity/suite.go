package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

// suite is one of PostgreSQL's suites: its files in the order of their schedule, and how to run one.
type suite struct {
	name        string
	database    string
	files       []string
	part        []string // what continuous integration runs
	first       []string // what every selection needs first
	again       []string // whose reads run again at the end
	connections int      // of the pool under test
	noise       int
	command     []string
	stdin       func(file string) string
	appname     string // of the programs, as pg_regress calls them
	limit       time.Duration
	libdir      string
}

func regressSuite(ctx context.Context, opt options, in *inputs) (*suite, error) {
	files, err := readSchedule(in.schedule())
	if err != nil {
		return nil, err
	}
	pg, err := findInstalled(ctx)
	if err != nil {
		return nil, err
	}
	return &suite{
		name: "regress", database: "regression", files: files, part: regressPart, first: []string{"test_setup"}, again: regressAgain,
		connections: 4, noise: opt.noise, stdin: in.sql, appname: "pg_regress/", limit: 5 * time.Minute, libdir: pg.libdir,
		command: []string{
			pg.psql, "-X", "-a", "-q", "-d", "regression", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on",
		},
	}, nil
}

// isolationSuite wants one server connection for each session of a spec, of which up to eight are in a transaction, and one for
// the connection that looks who waits for whom.
func isolationSuite(ctx context.Context, _ options, in *inputs) (*suite, error) {
	files, err := readSchedule(in.isolationSchedule())
	if err != nil {
		return nil, err
	}
	pg, err := findInstalled(ctx)
	if err != nil {
		return nil, err
	}
	return &suite{
		// A spec has up to nine sessions, all of which look at their process ids, and the next one begins before the last one's have gone.
		name: "isolation", database: "isolation_regression", files: files, part: isolationPart, connections: 20, stdin: in.spec,
		appname: "isolation/", limit: 90 * time.Second, command: []string{pg.tester, "dbname=isolation_regression"},
	}, nil
}

// installed are the places of the server's own version of PostgreSQL.
type installed struct{ psql, libdir, tester string }

// findInstalled looks beside the server programs, and asks pg_config only where they lie in no layout that we know: not every
// installation has it.
func findInstalled(ctx context.Context) (installed, error) {
	bin, err := testbed.FindPostgres()
	if err != nil {
		return installed{}, err
	}
	// PATH may have links only.
	postgres, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres"))
	if err != nil {
		return installed{}, err
	}
	bin = filepath.Dir(postgres)
	i := installed{psql: filepath.Join(bin, "psql"), libdir: filepath.Join(filepath.Dir(bin), "lib")}
	if _, err := os.Stat(filepath.Join(i.libdir, "plpgsql.so")); err != nil {
		out, err := exec.CommandContext(ctx, "pg_config", "--pkglibdir").Output()
		if err != nil {
			return i, fmt.Errorf("the server's libraries are not in %s, and pg_config does not say where: %w", i.libdir, err)
		}
		i.libdir = strings.TrimSpace(string(out))
	}
	i.tester = filepath.Join(i.libdir, "pgxs", "src", "test", "isolation", "isolationtester")
	for _, path := range []string{i.psql, i.tester} {
		if _, err := os.Stat(path); err != nil {
			return i, fmt.Errorf("%w: apt-get install postgresql-client", err)
		}
	}
	return i, nil
}

// choose keeps what the command line asks for, in the order of the schedule.
func (s *suite) choose(opt options) {
	wanted := opt.files
	if opt.ci {
		wanted = s.part
	}
	if len(wanted) == 0 {
		return
	}
	if !slices.ContainsFunc(s.files, func(f string) bool { return slices.Contains(wanted, f) }) {
		s.files = nil
		return
	}
	s.files = slices.DeleteFunc(slices.Clone(s.files), func(f string) bool {
		return !slices.Contains(wanted, f) && !slices.Contains(s.first, f)
	})
	s.again = slices.DeleteFunc(slices.Clone(s.again), func(f string) bool { return !slices.Contains(s.files, f) })
}

// job is how a file is run on a side.
func (s *suite) job(on *side, file, stdin, srcdir string) job {
	return job{
		args: s.command, stdin: stdin, dir: on.build, limit: s.limit,
		env: on.environment(s.appname+file, srcdir, s.libdir),
	}
}

// missing says which files of the part are not in the schedule, as would be after a change of PostgreSQL's major version.
func missing(part, files []string) error {
	var errs []error
	for _, f := range part {
		if !slices.Contains(files, f) {
			errs = append(errs, fmt.Errorf("%s is not in the schedule", f))
		}
	}
	return errors.Join(errs...)
}
