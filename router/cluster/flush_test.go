package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAReplicaGetsWhatNoCommitFollows: a read that prunes a page writes to the log, and nobody flushes that for seconds. The
// reads after it must not wait for so long, nor leave the replicas.
func TestAReplicaGetsWhatNoCommitFollows(t *testing.T) {
	c, _ := watch(t, bed, func(cfg *Config) { cfg.ReplicaWait = time.Second })
	eventually(t, bothUsable(c), "both replicas are usable")
	// The background's own chances to flush are put off, so that it is not luck.
	exec(t, bed.Primary(), "ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()")
	defer exec(t, bed.Primary(), "ALTER SYSTEM RESET wal_writer_delay", "SELECT pg_reload_conf()")
	exec(t, bed.Primary(), "DROP TABLE IF EXISTS pruned", "CREATE TABLE pruned (n int, filler text)",
		"INSERT INTO pruned VALUES (0, repeat('x', 700))")
	conn, err := bed.Primary().Connect(t.Context(), "postgres")
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()

	for range 10 {
		unflushed := false
		for range 1000 {
			_, err := conn.Exec(t.Context(), "UPDATE pruned SET n = n + 1")
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), "SELECT count(*) FROM pruned")
			require.NoError(t, err)
			err = conn.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()").Scan(&unflushed)
			require.NoError(t, err)
			if unflushed {
				break
			}
		}
		require.True(t, unflushed, "the read has written to the log")
		src, reason := c.Source(t.Context(), Requirement{Consistency: Global})
		require.Equal(t, Found, reason)
		src.Done()
	}
}
