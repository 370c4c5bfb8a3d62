package cluster

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestAKilledReplicaIsLeftOutAndComesBack(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	victim := bed.Replicas()[0]
	before, _ := c.Snapshot().Node(victim.Addr())
	src, reason := c.Source(t.Context(), Requirement{Consistency: Eventual, Avoid: bed.Replicas()[1].Addr()})
	require.Equal(t, Found, reason)
	defer src.Done()

	victim.Kill()
	require.False(t, src.Valid(), "known without waiting for a check")
	c.Suspect(victim.Addr())
	eventually(t, func() bool {
		v, _ := c.Snapshot().Node(victim.Addr())
		return !v.Up && v.Reason == Down && v.Error != ""
	}, "down")
	other, reason := c.Source(t.Context(), Requirement{})
	require.Equal(t, Found, reason)
	require.Equal(t, bed.Replicas()[1].Addr(), other.Addr)
	other.Done()

	require.NoError(t, victim.Start())
	eventually(t, bothUsable(c), "back by itself")
	after, _ := c.Snapshot().Node(victim.Addr())
	require.Greater(t, after.Generation, before.Generation, "its old connections are gone")
	require.False(t, src.Valid())
}

func TestASilentPrimaryIsGivenUp(t *testing.T) {
	c, _ := watch(t, bed, func(cfg *Config) { cfg.CheckTimeout = 300 * time.Millisecond })
	eventually(t, bothUsable(c), "replicas")
	require.NoError(t, bed.Primary().Freeze())
	eventually(t, func() bool { return c.Snapshot().PrimaryIndex < 0 }, "no primary")
	src, reason := c.Source(t.Context(), Requirement{Wait: -1})
	require.Equal(t, NoPrimary, reason)
	src.Done()
	require.NoError(t, bed.Primary().Thaw())
	eventually(t, bothUsable(c), "back")
}

func TestFailover(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	servers, err := testbed.Start(ctx, testbed.Options{Replicas: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, servers.Close()) }()
	c, seen := watch(t, servers, nil)
	old, next := servers.Primary(), servers.Replicas()[0]
	eventually(t, func() bool { return c.Snapshot().UsableReplicas() == 1 && c.Snapshot().PrimaryIndex == 0 }, "up")
	exec(t, old, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
	wrote, err := c.PrimaryPosition(ctx)
	require.NoError(t, err)
	src, reason := c.Source(ctx, Requirement{Consistency: Session, Session: wrote})
	require.Equal(t, Found, reason)
	src.Done()

	old.Kill()
	src, reason = c.Source(ctx, Requirement{})
	require.Equal(t, NoPrimary, reason, "reads go on")
	require.Equal(t, next.Addr(), src.Addr)
	src.Done()
	_, err = c.PrimaryPosition(ctx)
	require.ErrorIs(t, err, errDown)
	_, ok := c.Primary()
	require.False(t, ok)

	require.NoError(t, next.Promote(ctx))
	eventually(t, func() bool { addr, ok := c.Primary(); return ok && addr == next.Addr() }, "the new primary is found")
	now, err := c.PrimaryPosition(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, now.Timeline)
	_, reason = c.Source(ctx, Requirement{Consistency: Session, Session: wrote})
	require.Equal(t, NoReplica, reason)

	require.NoError(t, old.Start())
	eventually(t, func() bool { v, _ := c.Snapshot().Node(old.Addr()); return v.Up }, "the old primary is up")
	v, _ := c.Snapshot().Node(old.Addr())
	require.Equal(t, RolePrimary, v.Role)
	require.False(t, v.Usable)
	require.Equal(t, OtherTimeline, v.Reason)
	addr, _ := c.Primary()
	require.Equal(t, next.Addr(), addr)

	seen.Lock()
	defer seen.Unlock()
	last := seen.all[len(seen.all)-1]
	require.Equal(t, 1, last.PrimaryIndex)
}

func TestNothingIsAnsweredAfterTheEnd(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Nodes = bed.Addrs()
	c := New(cfg, Deps{Connect: connect, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry())})
	_, reason := c.Source(t.Context(), Requirement{})
	require.Equal(t, NoReplica, reason, "before the first check")

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	require.NoError(t, c.WaitChecked(t.Context()))
	eventually(t, func() bool { _, ok := c.Primary(); return ok }, "primary")
	cancel()
	wg.Wait()
	_, err := c.PrimaryPosition(t.Context())
	require.ErrorIs(t, err, errStopped)
}
