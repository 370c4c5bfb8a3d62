package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// inputs is a folder that is laid out as PostgreSQL's src/test/regress, with the isolation suite in isolation/. What is in it
// is PostgreSQL's and never becomes part of this repository.
type inputs struct{ dir string }

func (in *inputs) sql(file string) string { return filepath.Join(in.dir, "sql", file+".sql") }
func (in *inputs) data() string           { return filepath.Join(in.dir, "data") }
func (in *inputs) schedule() string       { return filepath.Join(in.dir, "parallel_schedule") }
func (in *inputs) spec(file string) string {
	return filepath.Join(in.dir, "isolation", "specs", file+".spec")
}

func (in *inputs) isolationSchedule() string {
	return filepath.Join(in.dir, "isolation", "isolation_schedule")
}

// sharedInputs is where the inputs lie beside a checkout of this repository.
const sharedInputs = "../shared/pgregress"

// findInputs returns what dir holds, or else what lies beside the checkout, or else Debian's source package. Nothing at all is
// an error: a comparison that did not happen must not look like one that found nothing.
func findInputs(ctx context.Context, dir string, w io.Writer) (*inputs, error) {
	tried := dir
	if tried == "" {
		tried = sharedInputs
	}
	in, err := openInputs(tried)
	if err == nil {
		return in, nil
	}
	fmt.Fprintf(w, "no inputs in %s: taking them from Debian's source package of PostgreSQL\n", tried)
	in, aptErr := packagedInputs(ctx, w)
	if aptErr != nil {
		return nil, fmt.Errorf("the inputs of PostgreSQL's test suites are nowhere to be found: set PGREGRESS to a folder with sql/, data/, "+
			"parallel_schedule and isolation/{specs,isolation_schedule} (src/test/regress and src/test/isolation of PostgreSQL's source), "+
			"or make `apt-get source` work: %w", errors.Join(err, aptErr))
	}
	return in, nil
}

// openInputs looks whether all is there.
func openInputs(dir string) (*inputs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	in := &inputs{dir: dir}
	for _, path := range []string{in.schedule(), in.isolationSchedule(), in.sql("test_setup"), in.data(), in.spec("read-only-anomaly")} {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
	}
	return in, nil
}
