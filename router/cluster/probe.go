package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// observation is what one check of a node found.
type observation struct {
	at        time.Time
	up        bool
	err       error // of the last check; nil when up
	role      Role
	systemID  uint64
	started   string // when the postmaster started, as the server writes it
	position  Position
	flushed   LSN // of a primary
	streaming bool
	replayAge time.Duration // of a replica: age of the last replayed transaction; negative if unknown
	lag       time.Duration
	lagKnown  bool
	pageSize  uint64
	segment   uint64
}

// checkSQL asks for everything at once. A replica's timeline is that of its receiver; while it does not stream, the control
// file has one that may be older. A promotion in the middle of the statement makes it an error, and the check is repeated.
const checkSQL = `
SELECT r, (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), pg_catalog.pg_postmaster_start_time()::text,
       CASE WHEN r THEN coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, '0/0') ELSE pg_catalog.pg_current_wal_insert_lsn()::text END,
       CASE WHEN r THEN '0/0' ELSE pg_catalog.pg_current_wal_flush_lsn()::text END,
       CASE WHEN r THEN '' ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END,
       coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming'), 0)::int8,
       (SELECT greatest(c.timeline_id, m.min_recovery_end_timeline)
          FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() m)::int8,
       coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()), -1)::float8,
       pg_catalog.current_setting('wal_block_size')::int8,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))
FROM (SELECT pg_catalog.pg_is_in_recovery() AS r OFFSET 0) s`

func check(ctx context.Context, conn *pgx.Conn) (observation, error) {
	var (
		recovery                                    bool
		system, started, position, flushed, walfile string
		received, control, page, segment            int64
		age                                         float64
	)
	err := conn.QueryRow(ctx, checkSQL).Scan(&recovery, &system, &started, &position, &flushed, &walfile,
		&received, &control, &age, &page, &segment)
	if err != nil {
		return observation{}, fmt.Errorf("checking a node: %w", err)
	}
	o := observation{
		at: time.Now(), up: true, role: RolePrimary, started: started,
		pageSize: uint64(page), segment: uint64(segment), replayAge: -1,
	}
	if o.systemID, err = strconv.ParseUint(system, 10, 64); err != nil {
		return observation{}, fmt.Errorf("reading the system identifier: %w", err)
	}
	if recovery {
		o.role, o.streaming = RoleReplica, received > 0
		o.position.Timeline = uint32(max(received, control))
		if o.streaming {
			o.position.Timeline = uint32(received)
		}
		if age >= 0 {
			o.replayAge = time.Duration(age * float64(time.Second))
		}
		o.position.LSN, err = ParseLSN(position)
		return o, err
	}
	if o.position, err = primaryPosition(position, walfile, o.pageSize, o.segment); err != nil {
		return observation{}, err
	}
	o.flushed, err = ParseLSN(flushed)
	return o, err
}

// The questions between two checks. Each fails or says so when the node has changed its role.
const (
	primarySQL = `
SELECT pg_catalog.pg_current_wal_insert_lsn()::text,
       pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)`
	replicaSQL = `
SELECT pg_catalog.pg_is_in_recovery(), coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, '0/0'),
       coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming'), 0)::int8`
)

// flushSQL flushes the primary's log up to a position, if that was not done. What no commit follows is not flushed: a read that
// prunes a page writes to the log, and replicas get it with the next commit, or when the background writer logs a snapshot, up
// to 15 seconds later (XLogBackgroundFlush writes whole pages only). This is the smallest commit there is; it does not wait
// for synchronous standbys.
const flushSQL = `
SELECT pg_catalog.set_config('synchronous_commit', 'local', true), pg_catalog.pg_logical_emit_message(true, 'aioproxy', '')
WHERE pg_catalog.pg_current_wal_flush_lsn() < $1::text::pg_catalog.pg_lsn`

// question asks where the node of the last observation is now.
func question(ctx context.Context, conn *pgx.Conn, last *observation) (Position, error) {
	if last.role == RolePrimary {
		var position, walfile string
		if err := conn.QueryRow(ctx, primarySQL).Scan(&position, &walfile); err != nil {
			return Position{}, fmt.Errorf("asking the primary's position: %w", err)
		}
		return primaryPosition(position, walfile, last.pageSize, last.segment)
	}
	var recovery bool
	var position string
	var received int64
	if err := conn.QueryRow(ctx, replicaSQL).Scan(&recovery, &position, &received); err != nil {
		return Position{}, fmt.Errorf("asking a replica's position: %w", err)
	}
	if !recovery {
		return Position{}, errRoleChanged
	}
	lsn, err := ParseLSN(position)
	return Position{max(uint32(received), last.position.Timeline), lsn}, err
}

// primaryPosition takes the timeline from the name of the log file: its first eight hexadecimal digits.
func primaryPosition(lsn, walfile string, pageSize, segment uint64) (Position, error) {
	timeline, err := strconv.ParseUint(walfile, 16, 32)
	if err != nil {
		return Position{}, fmt.Errorf("reading the timeline: %w", err)
	}
	l, err := ParseLSN(lsn)
	return Position{uint32(timeline), normalize(l, pageSize, segment)}, err
}
