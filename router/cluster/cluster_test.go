package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	dto "github.com/prometheus/client_model/go"
)

func count(t *testing.T, c *Cluster, role string) (questions, answers float64) {
	t.Helper()
	var q, a dto.Metric
	require.NoError(t, c.deps.Metrics.questions.WithLabelValues(role).Write(&q))
	require.NoError(t, c.deps.Metrics.answers.WithLabelValues(role).Write(&a))
	return q.GetCounter().GetValue(), a.GetCounter().GetValue()
}

func TestRolesAreDiscovered(t *testing.T) {
	c, seen := watch(t, bed, nil)
	eventually(t, bothUsable(c), "one primary, two replicas")
	addr, ok := c.Primary()
	require.True(t, ok)
	require.Equal(t, bed.Primary().Addr(), addr)
	s := c.Snapshot()
	require.NotZero(t, s.SystemID)
	for _, n := range s.Nodes {
		require.Equal(t, s.SystemID, n.SystemID)
		require.EqualValues(t, 1, n.Position.Timeline)
		require.NotZero(t, n.Position.LSN)
		require.NotZero(t, n.Generation)
	}
	seen.Lock()
	defer seen.Unlock()
	require.NotEmpty(t, seen.all)
}

func TestGlobalReadsSeeWhatWasCommittedBefore(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	exec(t, bed.Primary(), "CREATE TABLE IF NOT EXISTS marks (n int)", "TRUNCATE marks")
	conns := map[string]*pgx.Conn{}
	for _, r := range bed.Replicas() {
		conn, err := connect(t.Context(), r.Addr())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(context.Background())) }()
		conns[r.Addr()] = conn
	}
	primary, err := connect(t.Context(), bed.Primary().Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, primary.Close(context.Background())) }()
	for i := 1; i <= 100; i++ {
		_, err := primary.Exec(t.Context(), "INSERT INTO marks VALUES ($1)", i)
		require.NoError(t, err)
		src, reason := c.Source(t.Context(), Requirement{})
		require.Equal(t, Found, reason)
		require.True(t, src.Position.Covers(src.Required))
		var n int
		require.NoError(t, conns[src.Addr].QueryRow(t.Context(), "SELECT count(*) FROM marks").Scan(&n))
		require.True(t, src.Valid())
		src.Done()
		require.Equal(t, i, n, "a replica answered without the last commit")
	}
}

func TestQuestionsAreBatched(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	const callers, each = 50, 20
	var g errgroup.Group
	for range callers {
		g.Go(func() error {
			for range each {
				if _, err := c.PrimaryPosition(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	questions, answers := count(t, c, "primary")
	require.EqualValues(t, callers*each, answers)
	require.Less(t, questions, answers/4, "callers share questions")
}

func TestAReplicaWhoseReplayIsPausedIsBehind(t *testing.T) {
	c, _ := watch(t, bed, func(cfg *Config) { cfg.MaxReplicaLag = time.Hour })
	eventually(t, bothUsable(c), "replicas")
	for _, r := range bed.Replicas() {
		exec(t, r, "SELECT pg_wal_replay_pause()")
		defer exec(t, r, "SELECT pg_wal_replay_resume()")
	}
	exec(t, bed.Primary(), "CREATE TABLE IF NOT EXISTS marks (n int)", "INSERT INTO marks VALUES (0)")
	short := Requirement{Wait: 30 * time.Millisecond}
	var required Position
	eventually(t, func() bool { // a pause takes effect with the next record
		exec(t, bed.Primary(), "INSERT INTO marks VALUES (0)")
		src, reason := c.Source(t.Context(), short)
		src.Done()
		return reason == ReplicaBehind
	}, "paused replicas do not qualify")
	required, err := c.PrimaryPosition(t.Context())
	require.NoError(t, err)

	begin := time.Now()
	_, reason := c.Source(t.Context(), Requirement{Consistency: Session, Session: required, Wait: 30 * time.Millisecond})
	require.Equal(t, ReplicaBehind, reason)
	require.Less(t, time.Since(begin), 5*time.Second)
	src, reason := c.Source(t.Context(), Requirement{Consistency: Session})
	require.Equal(t, Found, reason, "a session that wrote nothing requires nothing")
	src.Done()
	src, reason = c.Source(t.Context(), Requirement{Consistency: Eventual})
	require.Equal(t, Found, reason)
	src.Done()

	exec(t, bed.Replicas()[0], "SELECT pg_wal_replay_resume()")
	src, reason = c.Source(t.Context(), Requirement{Consistency: Session, Session: required})
	require.Equal(t, Found, reason, "waited until it got there")
	require.Equal(t, bed.Replicas()[0].Addr(), src.Addr)
	src.Done()
}

func TestLagLeavesAReplicaOutAndItComesBack(t *testing.T) {
	c, _ := watch(t, bed, func(cfg *Config) { cfg.MaxReplicaLag = 300 * time.Millisecond })
	eventually(t, bothUsable(c), "replicas")
	slow := bed.Replicas()[1]
	exec(t, bed.Primary(), "CREATE TABLE IF NOT EXISTS marks (n int)")
	exec(t, slow, "SELECT pg_wal_replay_pause()")
	eventually(t, func() bool {
		exec(t, bed.Primary(), "INSERT INTO marks VALUES (0)")
		v, _ := c.Snapshot().Node(slow.Addr())
		return v.Reason == Lagging && !v.Usable
	}, "left out")
	exec(t, slow, "SELECT pg_wal_replay_resume()")
	eventually(t, bothUsable(c), "back")
}

func TestAnIdlePrimaryIsNotLag(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	exec(t, bed.Primary(), "CHECKPOINT")
	var since [3]time.Time
	eventually(t, func() bool { // every node was checked ten times more
		s, passed := c.Snapshot(), true
		for i, n := range s.Nodes {
			if since[i].IsZero() {
				since[i] = n.CheckedAt
			}
			passed = passed && n.CheckedAt.Sub(since[i]) > 500*time.Millisecond
		}
		return passed
	}, "checks")
	eventually(t, func() bool {
		s := c.Snapshot()
		return s.Nodes[1].Lag == 0 && s.Nodes[2].Lag == 0
	}, "no lag")
	src, reason := c.Source(t.Context(), Requirement{Wait: 10 * time.Second})
	require.Equal(t, Found, reason)
	src.Done()
}

func TestASessionPositionOfAnotherTimelineAsksThePrimary(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	before, _ := count(t, c, "primary")
	src, reason := c.Source(t.Context(), Requirement{Consistency: Session, Session: Position{Timeline: 99, LSN: 1}})
	require.Equal(t, Found, reason)
	require.EqualValues(t, 1, src.Required.Timeline)
	require.True(t, src.Position.Covers(src.Required))
	src.Done()
	after, _ := count(t, c, "primary")
	require.Equal(t, before+1, after)
}

func TestASessionNeverGoesBackInTime(t *testing.T) {
	c, _ := watch(t, bed, func(cfg *Config) { cfg.MaxReplicaLag = time.Hour })
	eventually(t, bothUsable(c), "replicas")
	first, second := bed.Replicas()[0], bed.Replicas()[1]
	src, reason := c.Source(t.Context(), Requirement{Consistency: Session, Avoid: second.Addr()})
	require.Equal(t, Found, reason)
	src.Done()
	for range 20 {
		again, reason := c.Source(t.Context(), Requirement{Consistency: Session, Seen: src.Seen()})
		require.Equal(t, Found, reason)
		require.Equal(t, first.Addr(), again.Addr, "it stays where it has read")
		again.Done()
	}

	exec(t, second, "SELECT pg_wal_replay_pause()")
	defer exec(t, second, "SELECT pg_wal_replay_resume()")
	exec(t, bed.Primary(), "CREATE TABLE IF NOT EXISTS marks (n int)")
	eventually(t, func() bool {
		exec(t, bed.Primary(), "INSERT INTO marks VALUES (0)")
		_, reason := c.Source(t.Context(), Requirement{Avoid: first.Addr(), Wait: -1})
		return reason == ReplicaBehind
	}, "the second replica is behind")
	for name, req := range map[string]Requirement{
		"its replica is not to be used": {Seen: src.Seen(), Avoid: first.Addr()},
		"its replica was restarted":     {Seen: Seen{first.Addr(), src.Generation + 1}, Avoid: first.Addr()},
		"it touched the primary":        {Touched: true, Avoid: first.Addr()},
	} {
		req.Consistency, req.Wait = Session, -1
		_, reason := c.Source(t.Context(), req)
		require.Equal(t, ReplicaBehind, reason, name)
	}
}

func TestReadsSpreadByLoad(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	per := map[string]int{}
	var held []*Source
	for range 10 {
		src, reason := c.Source(t.Context(), Requirement{Consistency: Eventual})
		require.Equal(t, Found, reason)
		per[src.Addr]++
		held = append(held, src)
	}
	require.Len(t, per, 2)
	for addr, n := range per {
		require.Equal(t, 5, n, addr)
	}
	for _, src := range held {
		src.Done()
		src.Done()
	}
	for _, n := range c.nodes {
		require.Zero(t, n.active.Load())
	}
	src, _ := c.Source(t.Context(), Requirement{Consistency: Eventual, Avoid: bed.Replicas()[0].Addr()})
	require.Equal(t, bed.Replicas()[1].Addr(), src.Addr)
	src.Done()
}

// A record that ends at a page boundary leaves the insert position behind the next page's header, where no replay ends.
func TestAPositionAtAPageBoundaryCanBeReached(t *testing.T) {
	c, _ := watch(t, bed, nil)
	eventually(t, bothUsable(c), "replicas")
	conn, err := connect(t.Context(), bed.Primary().Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	const page, header, overhead = 8192, 24, 200
	insert := func() (at uint64) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8").Scan(&at))
		return at
	}
	write := func(bytes uint64) {
		_, err := conn.Exec(t.Context(), "SELECT pg_logical_emit_message(true, 't', repeat('x', $1::int))", int(bytes))
		require.NoError(t, err)
	}
	eventually(t, func() bool {
		before := insert()
		write(overhead)
		cost := insert() - before - overhead // of a message and its commit, when no page ends in between
		at := insert()
		left := page - at%page
		if cost > 4*overhead || left < cost+8 || (at/page+1)*page%(16<<20) == 0 {
			return false
		}
		write(left - cost)
		return insert()%page == header
	}, "the log ends at a page boundary")
	src, reason := c.Source(t.Context(), Requirement{})
	require.Equal(t, Found, reason)
	require.Zero(t, uint64(src.Required.LSN)%page, fmt.Sprint(src.Required))
	src.Done()
}
