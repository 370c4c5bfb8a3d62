package testbed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Promote makes a replica a primary and returns when it accepts writes.
func (n *Node) Promote(ctx context.Context) error {
	conn, err := n.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var promoted bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote(wait => true)").Scan(&promoted); err != nil {
		return fmt.Errorf("promote %s: %w", n.Addr(), err)
	}
	return poll(ctx, func() (bool, error) {
		var recovering bool
		err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovering)
		return !recovering, err
	})
}

// Follow makes a running replica stream from another node.
func (n *Node) Follow(ctx context.Context, primary *Node) error {
	return n.Exec(ctx, "postgres",
		"ALTER SYSTEM SET primary_conninfo = "+quote(conninfo(primary.Port, n.Name)),
		"SELECT pg_reload_conf()")
}

// Delay makes a replica apply commits d after they happened; 0 ends it.
func (n *Node) Delay(ctx context.Context, d time.Duration) error {
	return n.Exec(ctx, "postgres",
		fmt.Sprintf("ALTER SYSTEM SET recovery_min_apply_delay = '%dms'", d.Milliseconds()),
		"SELECT pg_reload_conf()")
}

// PauseReplay stops a replica's replay and returns when it stands still.
func (n *Node) PauseReplay(ctx context.Context) error {
	if err := n.Exec(ctx, "postgres", "SELECT pg_wal_replay_pause()"); err != nil {
		return err
	}
	return n.await(ctx, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
}

// ResumeReplay undoes PauseReplay.
func (n *Node) ResumeReplay(ctx context.Context) error {
	return n.Exec(ctx, "postgres", "SELECT pg_wal_replay_resume()")
}

// CatchUp returns when n has replayed everything that primary had written when it
// was called.
func (n *Node) CatchUp(ctx context.Context, primary *Node) error {
	conn, err := primary.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	// A commit of our own flushes all that is before it. Waiting for the insert
	// position alone may take long: what a read wrote by pruning a page, or a commit
	// without synchronous_commit, is sent to replicas only when somebody flushes it.
	var lsn string
	err = conn.QueryRow(ctx, "SELECT pg_logical_emit_message(true, 'testbed', '')::text").Scan(&lsn)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	return n.await(ctx, "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false)", lsn)
}

// await polls a query of one boolean.
func (n *Node) await(ctx context.Context, sql string, args ...any) error {
	conn, err := n.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	err = poll(ctx, func() (bool, error) {
		var ok bool
		err := conn.QueryRow(ctx, sql, args...).Scan(&ok)
		return ok, err
	})
	if err != nil {
		return fmt.Errorf("wait on %s for %s: %w", n.Addr(), sql, err)
	}
	return nil
}

// CatchUp returns when every running replica has replayed everything that the
// primary had written when it was called.
func (c *Cluster) CatchUp(ctx context.Context) error {
	for _, r := range c.replicas {
		if !r.Running() {
			continue
		}
		if err := r.CatchUp(ctx, c.primary); err != nil {
			return err
		}
	}
	return nil
}
