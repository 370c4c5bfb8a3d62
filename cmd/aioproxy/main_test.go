package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

var bed *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{Replicas: 1, Redis: true}, func(c *testbed.Cluster) { bed = c }))
}

// outcome is what a command line did.
type outcome struct {
	code     int
	out, err string
}

// aioproxy runs one command line as main does.
func aioproxy(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs strings.Builder
	code := run(t.Context(), args, streams{in: strings.NewReader(stdin), out: &out, err: &errs})
	return outcome{code, out.String(), errs.String()}
}

// execute runs SQL on the primary.
func execute(t *testing.T, database, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := bed.Primary().Connect(ctx, database)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	require.NoError(t, err)
}
