package catalog

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// TestAwaitLoad looks at what a load holds while it runs, as VACUUM would: a snapshot.
func TestAwaitLoad(t *testing.T) {
	db := newTestDatabase(t, false)
	connecting, goOn := make(chan struct{}), make(chan struct{})
	c := New(DefaultConfig(), Deps{Log: zap.NewNop(), Metrics: NewMetrics(nil), Connect: func(ctx context.Context, db string) (*pgx.Conn, error) {
		close(connecting)
		<-goOn
		return dial(ctx, db)
	}})
	c.AwaitLoad(t.Context(), db) // unknown: nothing to wait for

	loaded := make(chan error, 1)
	go func() { loaded <- c.Load(t.Context(), db) }()
	<-connecting
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	c.AwaitLoad(short, db)
	require.Error(t, short.Err(), "it returned although the load runs")

	awaited := make(chan struct{})
	go func() { c.AwaitLoad(t.Context(), db); close(awaited) }()
	close(goOn)
	<-awaited
	require.NoError(t, <-loaded)
	var snapshots int
	conn, err := dial(t.Context(), db)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()`).Scan(&snapshots))
	require.Zero(t, snapshots)
	c.AwaitLoad(t.Context(), db) // none runs
}
