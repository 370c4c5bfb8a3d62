package instance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/compose"
	"github.com/aioproxy/aioproxy/configs"
)

// TestComposedSessions compares sessions composed at random, six at a time over three connections to each node, with the same
// sessions on direct connections. These are always the same ones; `make parity` takes others, and for longer.
func TestComposedSessions(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 3
		c.Pool.AcquireTimeout = time.Minute
		c.Cache.MinCost = 0
		c.Router.Classes.OLTP.Route = "replica"
		c.Router.Classes.OLTP.Cache = true
	})
	for name, seed := range map[string]uint64{"one": 1, "two": 40_000} {
		t.Run(name, func(t *testing.T) {
			res, err := compose.Run(t.Context(), compose.Options{
				Nodes: bed.Addrs(), Proxy: addrOf(f), Seed: seed, Duration: 10 * time.Second, Shrink: time.Minute,
				Without: compose.Known(), Log: t.Logf,
			})
			require.NoError(t, err)
			t.Logf("%d rounds from seed %d: %d sessions, %d pieces, %d messages", res.Rounds, seed, res.Sessions, res.Pieces, res.Messages)
			assert.NotZero(t, res.Messages)
			for _, d := range res.Failures {
				t.Errorf("seed %d differs (again: %v)\n%s\n%s", d.Seed, d.Repeated, d.Report, d.Script)
			}
		})
	}
}
