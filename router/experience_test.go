package router

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestSlowReadsBecomeAnalyticsAndComeBack(t *testing.T) {
	r := New(DefaultConfig())
	in := inputFor(t, "SELECT * FROM users WHERE lower(name) = 'x'", "rows=500000")
	fingerprint := in.Facts[0].Fingerprint
	times := func(n int, d time.Duration) {
		for range n {
			r.Observe(fingerprint, OLTP, d, 1)
		}
	}
	times(4, 200*time.Millisecond)
	require.Equal(t, OLTP, r.Route(in).Class, "too few calls to tell")
	times(1, 200*time.Millisecond)
	d := r.Route(in)
	require.Equal(t, []any{OLAP, Replica, ByExperience}, []any{d.Class, d.Target, d.Reason})

	times(8, 50*time.Millisecond)
	require.Equal(t, OLAP, r.Route(in).Class, "between the thresholds it stays what it is")
	times(30, 5*time.Millisecond)
	require.Equal(t, OLTP, r.Route(in).Class)
	times(3, 90*time.Millisecond)
	require.Equal(t, OLTP, r.Route(in).Class)

	x, ok := r.Experience(fingerprint)
	require.True(t, ok)
	require.Equal(t, 46, x.Calls)
}

func TestARuleOverrulesExperience(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Rules = []Rule{{Match: Match{Database: "*"}, Class: "oltp"}}
	r := New(cfg)
	in := inputFor(t, "SELECT * FROM users WHERE name = 'x'", "")
	for range 10 {
		r.Observe(in.Facts[0].Fingerprint, OLTP, time.Second, 1)
	}
	d := r.Route(in)
	require.Equal(t, []any{OLTP, Primary, ByRule}, []any{d.Class, d.Target, d.Reason})
}

func TestOnlyReadsLearn(t *testing.T) {
	r := New(DefaultConfig())
	in := inputFor(t, "UPDATE users SET name = 'x'", "")
	for range 10 {
		r.Observe(in.Facts[0].Fingerprint, OLTP, time.Second, 1)
	}
	require.Equal(t, OLTP, r.Route(in).Class)
	r.Observe(7, DDL, time.Second, 0)
	_, ok := r.Experience(7)
	require.False(t, ok)
}

func TestFastStatementsTakeNoRoom(t *testing.T) {
	r := New(DefaultConfig())
	r.Observe(1, OLTP, time.Millisecond, 1)
	_, ok := r.Experience(1)
	require.False(t, ok)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Observe(1, OLTP, time.Millisecond, 1) }))
}

func TestExperienceIsBoundedAndConcurrent(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Experience.Entries = 640
	r := New(cfg)
	for range 20 {
		r.Observe(42, OLTP, time.Second, 1)
	}
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			for range 5000 {
				r.Observe(rand.Uint64(), OLTP, time.Second, 1)
				_, _ = r.Experience(42)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	total := 0
	for i := range r.experience.shards {
		total += len(r.experience.shards[i].mu.entries)
	}
	require.LessOrEqual(t, total, 640+experienceShards)
	_, ok := r.Experience(42)
	require.True(t, ok, "what is known to be slow outlives what came once")
}
