package backend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// TestEverybodySeesTheirOwnSettings shares few connections among clients that want different settings, with the change
// sent in the same write as the statement.
func TestEverybodySeesTheirOwnSettings(t *testing.T) {
	ps := newPools(t, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 3, patience }), nil)
	p := ps.Pool(realKey("postgres"))
	wants := []*Settings{
		Empty, with("work_mem", "5MB"), with("work_mem", "6MB", "a.b", "x"), with("a.b", "y"),
		with("role", "pg_monitor"), with("role", "pg_monitor", "a.b", "x"),
	}
	const report = "SELECT current_setting('work_mem'), coalesce(current_setting('a.b', true), ''), current_setting('role')"
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for range 40 {
				want := wants[rand.IntN(len(wants))]
				c, err := p.Acquire(context.Background(), nil, want)
				if !assert.NoError(t, err) {
					return
				}
				got, err := askWith(c, want, report)
				assert.NoError(t, err)
				assert.Equal(t, []string{or(want, "work_mem", "4MB"), or(want, "a.b", ""), or(want, "role", "none")}, got)
				ps.Release(c, true)
			}
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, p.Stat().Dials, uint64(3))
}

func or(s *Settings, name, otherwise string) string {
	if v, ok := s.Get(name); ok {
		return v
	}
	return otherwise
}

// askWith returns the row of a statement under these settings.
func askWith(c *Conn, want *Settings, sql string) ([]string, error) {
	frames := AppendChange(nil, c.Applied, want)
	changed := len(frames) > 0
	res, err := roundTrip(c, pgwire.AppendQuery(frames, sql))
	if err == nil && changed {
		c.Applied = want
		res, err = roundTrip(c, nil) // the first reply was that of the change
	}
	switch {
	case err != nil:
		return nil, err
	case len(res.rows) != 1:
		return nil, fmt.Errorf("%d rows: %w", len(res.rows), res.err)
	}
	return res.rows[0], nil
}
