package instance_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

// ownServers starts servers of its own for tests that change the replica.
func ownServers(t *testing.T, replicas int) *testbed.Cluster {
	t.Helper()
	c, err := testbed.Start(t.Context(), testbed.Options{Replicas: replicas, Conf: map[string]string{
		"max_standby_streaming_delay": "0", "hot_standby_feedback": "off", "autovacuum": "off",
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// A function that is declared stable and writes is refused by the replica; the client does not notice, and the next time it
// goes to the primary at once.
func TestReadThatWritesIsRunOnThePrimary(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "route_refused", workload)
	f := start(t, bed, nil)
	conn := connect(t, f.dsn(db))
	const query = "SELECT liar(), country, count(*) FROM users GROUP BY country"
	known(t, conn, "SELECT count(*) FROM tiny")
	for _, want := range []string{"primary retried after 25006", "primary replica_refused", "primary replica_refused"} {
		h := onReplica(t, conn, query)
		require.Equal(t, want, h.target+" "+h.reason)
	}
}

func TestConflictWithRecoveryIsRunOnThePrimary(t *testing.T) {
	t.Parallel()
	c := ownServers(t, 1)
	db := sample(t, c, "route_conflict", workload)
	f := start(t, c, nil)
	conn := connect(t, f.dsn(db))
	known(t, conn, "SELECT count(*) FROM users")
	ctx := t.Context()
	// The query sleeps with its snapshot and has sent nothing when the replica has to remove rows that it might still see.
	const query = "/* aioproxy: cache=off */ SELECT count(*), (SELECT pg_sleep(1.5)::text) FROM users WHERE id > 0"
	var running sync.WaitGroup
	var rows [][]string
	var err error
	require.Equal(t, "replica", onReplica(t, conn, "/* aioproxy: cache=off */ SELECT count(*) FROM users").target)
	running.Go(func() { rows, err = trySimple(ctx, conn, query) })
	replica := connect(t, c.Replicas()[0].DSN(db))
	awaitTrue(t, replica, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid() AND state = 'active')")
	require.NoError(t, c.Primary().Exec(ctx, db, "DELETE FROM users WHERE id > 19990", "VACUUM users"))
	running.Wait()
	require.NoError(t, err)
	require.Len(t, rows, 1)
	h := lastOf(t, conn)
	require.Equal(t, "primary retried after 40001", h.target+" "+h.reason)
	require.Equal(t, "19990", rows[0][0])
}

func TestReplicaTooFarBehindIsLeftOut(t *testing.T) {
	t.Parallel()
	c := ownServers(t, 1)
	db := sample(t, c, "route_lag", workload)
	f := start(t, c, func(cfg *configs.Config) {
		cfg.Cluster.MaxReplicaLag, cfg.Cluster.CheckInterval = 500*time.Millisecond, 100*time.Millisecond
		cfg.Router.Consistency = "eventual"
	})
	conn := connect(t, f.dsn(db))
	const query = "/* aioproxy: cache=off */ SELECT count(*) FROM users"
	known(t, conn, query)
	ctx := t.Context()
	until(t, "the replica is used", func() bool { _, h := simple(t, conn, query); return h.target == "replica" })
	require.NoError(t, c.Replicas()[0].PauseReplay(ctx))
	exec(t, conn, "INSERT INTO users VALUES (30000)")
	paused := time.Now()
	got, h := one(t, conn, query)
	require.Equal(t, "20000 replica", got+" "+h.target, "eventual: older, within max_replica_lag")
	until(t, "the replica is left out", func() bool {
		got, h = one(t, conn, query)
		return h.target == "primary"
	})
	require.Equal(t, "20001 no_replica", got+" "+h.reason)
	require.Less(t, time.Since(paused), 2*time.Second)
	require.NoError(t, c.Replicas()[0].ResumeReplay(ctx))
	until(t, "the replica is used again", func() bool { got, h = one(t, conn, query); return h.target == "replica" })
	require.Equal(t, "20001", got)
}
