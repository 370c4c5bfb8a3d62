package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

func blockedLog(dir, file string) string { return filepath.Join(dir, file+".blocked") }

// logBlocked writes down who waits for what on both servers of a side, for a file that hangs. What cannot be asked is written
// down too.
func (b *bench) logBlocked(s *side, file string) {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	var text strings.Builder
	for _, n := range s.cluster.Nodes() {
		fmt.Fprintf(&text, "%s, %s:\n", s.name, n.Name)
		conn, err := n.Connect(ctx, "postgres")
		if err != nil {
			fmt.Fprintln(&text, err)
			continue
		}
		activity(ctx, conn, &text)
		_ = conn.Close(ctx)
	}
	_ = os.WriteFile(blockedLog(b.dir, file), []byte(text.String()), 0o600)
}

func activity(ctx context.Context, conn *pgx.Conn, text *strings.Builder) {
	rows, err := conn.Query(ctx, `SELECT format('%s %s %s %s/%s blocked by %s: %s', pid, application_name, state, wait_event_type,
		wait_event, pg_blocking_pids(pid), query) FROM pg_stat_activity WHERE backend_type = 'client backend'`)
	if err != nil {
		fmt.Fprintln(text, err)
		return
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	fmt.Fprintln(text, strings.Join(lines, "\n"))
	if err != nil {
		fmt.Fprintln(text, err)
	}
}
