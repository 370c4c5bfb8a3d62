package testbed

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// runner is *testing.M; named here so that the demo does not link package testing.
type runner interface{ Run() int }

// Main is for TestMain: it starts servers, hands them to set, runs the tests and
// returns the exit code, which is not 0 if a server is missing or a goroutine is
// left over. It never skips.
//
//	func TestMain(m *testing.M) {
//		os.Exit(testbed.Main(m, testbed.Options{Replicas: 1}, func(c *testbed.Cluster) { servers = c }))
//	}
func Main(m runner, opt Options, set func(*Cluster)) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := Start(ctx, opt)
	if err != nil {
		fmt.Fprintf(os.Stderr, "testbed: %v\n", err)
		return 1
	}
	set(c)
	code := m.Run()
	if err := c.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "testbed: close: %v\n", err)
		code = max(code, 1)
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintf(os.Stderr, "testbed: %v\n", err)
		code = max(code, 1)
	}
	return code
}
