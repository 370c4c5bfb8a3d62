package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func seen(role Role, system uint64, timeline uint32, lsn LSN) observation {
	return observation{
		at: time.Unix(1000, 0), up: true, role: role, systemID: system, started: "now",
		position: Position{timeline, lsn}, flushed: lsn, replayAge: -1,
	}
}

func down(o observation) observation {
	o.up = false
	return o
}

type step struct {
	node int
	o    observation
}

func draw(nodes int, steps ...step) (*picture, *Snapshot, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	p := newPicture(nodes)
	for _, s := range steps {
		p.put(s.node, s.o, zap.New(core))
	}
	return p, p.snapshot(make([]string, nodes), time.Minute), logs
}

func TestRolesAreFoundWhateverTheOrder(t *testing.T) {
	primary, replica := seen(RolePrimary, 1, 1, 10), seen(RoleReplica, 1, 1, 10)
	for _, steps := range [][]step{{{0, primary}, {1, replica}}, {{1, replica}, {0, primary}}} {
		_, s, _ := draw(3, steps...)
		require.Equal(t, 0, s.PrimaryIndex)
		require.True(t, s.Nodes[1].Usable)
		require.Equal(t, NeverChecked, s.Nodes[2].Reason)
		require.Equal(t, 1, s.UsableReplicas())
	}
}

func TestOfTwoPrimariesTheLaterTimelineLeads(t *testing.T) {
	_, s, logs := draw(2, step{0, seen(RolePrimary, 1, 1, 10)}, step{1, seen(RolePrimary, 1, 2, 5)}, step{0, seen(RolePrimary, 1, 1, 11)})
	require.Equal(t, 1, s.PrimaryIndex)
	require.Equal(t, OtherTimeline, s.Nodes[0].Reason)
	require.Equal(t, 1, logs.FilterMessage("more than one node says that it is the primary").Len())

	_, s, _ = draw(2, step{1, seen(RolePrimary, 1, 2, 5)}, step{0, seen(RolePrimary, 1, 2, 10)})
	require.Equal(t, 1, s.PrimaryIndex, "the one known before stays")
	require.Equal(t, SecondPrimary, s.Nodes[0].Reason)
}

func TestAnOldPrimaryDoesNotLeadAgain(t *testing.T) {
	successor := seen(RolePrimary, 1, 2, 50)
	_, s, _ := draw(2, step{0, seen(RolePrimary, 1, 1, 40)}, step{1, successor}, step{1, down(successor)}, step{0, seen(RolePrimary, 1, 1, 41)})
	require.Equal(t, -1, s.PrimaryIndex)
	require.Equal(t, Position{2, 50}, s.LastPrimary)
}

func TestAForeignSystemIsLeftOut(t *testing.T) {
	primary, foreign := seen(RolePrimary, 1, 1, 10), seen(RolePrimary, 9, 7, 99)
	_, s, _ := draw(3, step{0, primary}, step{1, foreign}, step{2, seen(RoleReplica, 9, 7, 99)})
	require.Equal(t, 0, s.PrimaryIndex)
	require.Equal(t, OtherSystem, s.Nodes[1].Reason)
	require.Equal(t, OtherSystem, s.Nodes[2].Reason)

	_, s, _ = draw(2, step{0, primary}, step{1, foreign}, step{0, down(primary)})
	require.Equal(t, -1, s.PrimaryIndex, "a foreign server does not step in")

	_, s, _ = draw(2, step{0, primary}, step{1, foreign}, step{0, down(primary)}, step{0, seen(RoleReplica, 9, 7, 98)})
	require.Equal(t, 1, s.PrimaryIndex, "all nodes were set up anew")
}

func TestAReplicaThatWasSeenFirstDoesNotDecideTheSystem(t *testing.T) {
	_, s, _ := draw(2, step{1, seen(RoleReplica, 9, 1, 10)}, step{0, seen(RolePrimary, 1, 1, 10)})
	require.Equal(t, 0, s.PrimaryIndex)
	require.Equal(t, OtherSystem, s.Nodes[1].Reason)
}

func TestGenerationChangesWithWhatMakesConnectionsOld(t *testing.T) {
	replica := seen(RoleReplica, 1, 1, 10)
	moved, restarted, promoted := replica, replica, seen(RolePrimary, 1, 2, 10)
	moved.position.LSN, restarted.started = 11, "later"
	generations := []uint64{}
	p := newPicture(1)
	for _, o := range []observation{replica, moved, down(replica), replica, restarted, promoted} {
		p.put(0, o, zap.NewNop())
		generations = append(generations, p.generations[0])
	}
	require.Equal(t, []uint64{1, 1, 1, 1, 2, 3}, generations)
}

func TestReplicasWithoutAPrimaryStayUsable(t *testing.T) {
	primary, replica := seen(RolePrimary, 1, 1, 10), seen(RoleReplica, 1, 1, 10)
	later := replica
	later.at = replica.at.Add(time.Hour)
	_, s, _ := draw(2, step{0, primary}, step{1, replica}, step{0, down(primary)}, step{1, later})
	require.Equal(t, -1, s.PrimaryIndex)
	require.True(t, s.Nodes[1].Usable)
	require.Zero(t, s.Nodes[1].Lag)
}

func TestLaggingReplicasAreLeftOut(t *testing.T) {
	primary, replica := seen(RolePrimary, 1, 1, 10), seen(RoleReplica, 1, 1, 10)
	ahead, later := primary, replica
	ahead.flushed, ahead.position.LSN, ahead.at = 20, 20, primary.at.Add(2*time.Minute)
	later.at = ahead.at
	_, s, _ := draw(2, step{0, primary}, step{1, replica}, step{0, ahead}, step{1, later})
	require.Equal(t, Lagging, s.Nodes[1].Reason)
	require.Equal(t, 2*time.Minute, s.Nodes[1].Lag)

	unknown := seen(RoleReplica, 1, 1, 5)
	_, s, _ = draw(2, step{0, primary}, step{1, unknown})
	require.Equal(t, LagUnknown, s.Nodes[1].Reason)
}
