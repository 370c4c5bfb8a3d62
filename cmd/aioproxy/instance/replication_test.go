package instance_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

// walsender logs in to a walsender; replication is what the start-up packet says.
func walsender(ctx context.Context, dsn, replication string) (*pgconn.PgConn, error) {
	return pgconn.Connect(ctx, dsn+" replication="+replication)
}

func mustWalsender(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	conn, err := walsender(t.Context(), dsn, "database")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// stream begins to follow the WAL and returns when the first of it has come.
func stream(t *testing.T, conn *pgconn.PgConn) {
	t.Helper()
	rows, err := conn.Exec(t.Context(), "SELECT pg_current_wal_flush_lsn() - 1000").ReadAll()
	require.NoError(t, err)
	conn.Frontend().Send(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " + string(rows[0].Rows[0][0])})
	require.NoError(t, conn.Frontend().Flush())
	for {
		m, err := conn.ReceiveMessage(t.Context())
		require.NoError(t, err)
		if _, ok := m.(*pgproto3.CopyData); ok {
			return
		}
	}
}

// lastWords reads to the end of the connection and returns the SQLSTATE that came before it.
func lastWords(ctx context.Context, conn *pgconn.PgConn) string {
	ctx, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	for {
		_, err := conn.ReceiveMessage(ctx)
		var said *pgconn.PgError
		if errors.As(err, &said) {
			return said.Code
		}
		if err != nil {
			return err.Error()
		}
	}
}

// keyword is a connection string in the form of keywords.
func keyword(host string, port int) string { return (&front{host: host, port: port}).dsn("postgres") }

func TestReplicationLogin(t *testing.T) {
	t.Parallel()
	admin := connect(t, bed.Primary().DSN("postgres"))
	exec(t, admin, "CREATE ROLE wal_yes LOGIN REPLICATION PASSWORD 'secret'", "CREATE ROLE wal_no LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		_, err := admin.Exec(context.Background(), "DROP ROLE wal_yes, wal_no")
		require.NoError(t, err)
	})
	cert, key := certificate(t, "aioproxy")
	f := start(t, bed, func(cfg *configs.Config) {
		cfg.Auth.Method = auth.MethodSCRAM
		cfg.Proxy.TLS.Cert, cfg.Proxy.TLS.Key = cert, key
	})
	outcome := func(dsn, replication string) string {
		conn, err := walsender(t.Context(), dsn, replication)
		var said *pgconn.PgError
		if err != nil {
			require.ErrorAs(t, err, &said)
			return said.Severity + " " + said.Code + " " + said.Message
		}
		defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
		rows, err := conn.Exec(t.Context(), "IDENTIFY_SYSTEM; ").ReadAll()
		require.NoError(t, err)
		return string(rows[0].Rows[0][0]) + " " + string(rows[0].Rows[0][3])
	}
	for _, who := range []string{"user=wal_yes password=wrong", "user=wal_nobody password=x"} {
		want := outcome(keyword(bed.Primary().Host, bed.Primary().Port)+" "+who, "database")
		require.Equal(t, want, outcome(f.dsn("postgres")+" "+who, "database"), who)
	}
	for _, who := range []string{
		"user=wal_yes password=secret", "user=wal_no password=secret",
		"user=wal_yes password=secret dbname=wal_nothing", "user=wal_yes password=secret options='-c nonsense=1'",
		"user=wal_yes password=secret options='-c work_mem=1' application_name=x",
	} {
		for _, replication := range []string{"database", "true", "2"} {
			want := outcome(keyword(bed.Primary().Host, bed.Primary().Port)+" "+who, replication)
			require.Equal(t, want, outcome(f.dsn("postgres")+" "+who, replication), "%s replication=%s", who, replication)
		}
	}
	t.Run("TLS", func(t *testing.T) {
		conn := mustWalsender(t, f.dsn("postgres")+" user=wal_yes password=secret sslmode=require")
		n := countingWriter(0)
		_, err := conn.CopyTo(t.Context(), &n, "COPY (SELECT repeat('x', 999) FROM generate_series(1, 5000)) TO STDOUT")
		require.NoError(t, err)
		require.EqualValues(t, 5000*1000, n)
	})
}

type countingWriter int

func (n *countingWriter) Write(b []byte) (int, error) {
	*n += countingWriter(len(b))
	return len(b), nil
}

func TestReplicationCancel(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	conn := mustWalsender(t, f.dsn("postgres")+" application_name=wal_cancel")
	admin := connect(t, bed.Primary().DSN("postgres"))
	result := conn.Exec(t.Context(), "SELECT pg_sleep(60)")
	awaitTrue(t, admin, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'wal_cancel' AND wait_event = 'PgSleep')")
	require.NoError(t, conn.CancelRequest(t.Context()))
	_, err := result.ReadAll()
	var said *pgconn.PgError
	require.ErrorAs(t, err, &said)
	require.Equal(t, "57014", said.Code)
	rows, err := conn.Exec(t.Context(), "SELECT pg_backend_pid()").ReadAll()
	require.NoError(t, err, "the connection goes on")
	require.Equal(t, strconv.Itoa(int(conn.PID())), string(rows[0].Rows[0][0]))
}

func TestReplicationEnds(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	admin := connect(t, bed.Primary().DSN("postgres"))
	const gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '"
	t.Run("the client vanishes", func(t *testing.T) {
		conn := mustWalsender(t, f.dsn("postgres")+" application_name=wal_vanishes")
		stream(t, conn)
		require.Contains(t, metricLines(t, f, `aioproxy_proxy_pinned_sessions{reason="replication"}`), " 1\n")
		require.NoError(t, conn.Conn().Close())
		awaitTrue(t, admin, gone+"wal_vanishes')")
		until(t, "it does not count any more", func() bool {
			return metricLines(t, f, `aioproxy_proxy_pinned_sessions{reason="replication"}`) == "aioproxy_proxy_pinned_sessions{reason=\"replication\"} 0\n"
		})
	})
	t.Run("the client says good-bye", func(t *testing.T) {
		conn := mustWalsender(t, f.dsn("postgres")+" application_name=wal_leaves")
		require.NoError(t, conn.Close(t.Context()))
		awaitTrue(t, admin, gone+"wal_leaves')")
	})
	t.Run("the client finishes sending", func(t *testing.T) {
		conn := mustWalsender(t, f.dsn("postgres"))
		conn.Frontend().Send(&pgproto3.Query{String: "SELECT pg_sleep(0.2), 'answer'"})
		require.NoError(t, conn.Frontend().Flush())
		require.NoError(t, conn.Conn().(interface{ CloseWrite() error }).CloseWrite())
		rest, err := io.ReadAll(conn.Conn())
		require.NoError(t, err)
		require.Contains(t, string(rest), "answer")
	})
	t.Run("the server ends it", func(t *testing.T) {
		conn := mustWalsender(t, f.dsn("postgres")+" application_name=wal_ended")
		stream(t, conn)
		exec(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wal_ended'")
		require.Equal(t, "57P01", lastWords(t.Context(), conn))
	})
}

// TestReplicationAtAStop: a stream ends at once, a command may finish, and nothing is waited for longer than shutdown_timeout.
func TestReplicationAtAStop(t *testing.T) {
	t.Parallel()
	command := func(conn *pgconn.PgConn, sql string) {
		conn.Frontend().Send(&pgproto3.Query{String: sql})
		require.NoError(t, conn.Frontend().Flush())
	}
	admin := connect(t, bed.Primary().DSN("postgres"))
	running := func(name string) {
		t.Helper()
		awaitTrue(t, admin, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '"+name+"' AND wait_event IN ('PgSleep', 'ClientWrite'))")
	}
	t.Run("gracefully", func(t *testing.T) {
		f := start(t, bed, func(cfg *configs.Config) { cfg.Proxy.ShutdownTimeout = time.Minute })
		streams, idles := mustWalsender(t, f.dsn("postgres")), mustWalsender(t, f.dsn("postgres"))
		works := mustWalsender(t, f.dsn("postgres")+" application_name=wal_works")
		stream(t, streams)
		command(works, "SELECT pg_sleep(1), 'answer'")
		running("wal_works")
		f.stop()
		require.Equal(t, "57P01", lastWords(t.Context(), streams))
		require.Equal(t, "57P01", lastWords(t.Context(), idles))
		var rows int
		for {
			m, err := works.ReceiveMessage(t.Context())
			if err != nil {
				var said *pgconn.PgError
				require.ErrorAs(t, err, &said)
				require.Equal(t, "57P01", said.Code)
				break
			}
			if _, ok := m.(*pgproto3.DataRow); ok {
				rows++
			}
		}
		require.Equal(t, 1, rows, "the command has finished")
	})
	t.Run("by force", func(t *testing.T) {
		f := start(t, bed, func(cfg *configs.Config) { cfg.Proxy.ShutdownTimeout = 100 * time.Millisecond })
		works := mustWalsender(t, f.dsn("postgres")+" application_name=wal_forced")
		deaf := mustWalsender(t, f.dsn("postgres")+" application_name=wal_deaf")
		command(works, "SELECT pg_sleep(60)")
		command(deaf, "COPY (SELECT repeat('x', 9999) FROM generate_series(1, 1000000)) TO STDOUT")
		running("wal_forced")
		running("wal_deaf")
		f.stop()
		require.Equal(t, "57P01", lastWords(t.Context(), works))
		awaitTrue(t, admin, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'wal_deaf')")
	})
}

// TestReplicationWaitsForItsClient: what a slow client does not take stays with the server.
func TestReplicationWaitsForItsClient(t *testing.T) {
	t.Parallel()
	f := start(t, bed, nil)
	conn := mustWalsender(t, f.dsn("postgres")+" application_name=wal_slow")
	const rows, width = 6400, 10000
	conn.Frontend().Send(&pgproto3.Query{String: "COPY (SELECT repeat('x', 9999) FROM generate_series(1, 6400)) TO STDOUT"})
	require.NoError(t, conn.Frontend().Flush())
	awaitTrue(t, connect(t, bed.Primary().DSN("postgres")), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'wal_slow' "+
		"AND wait_event = 'ClientWrite' AND clock_timestamp() - state_change > interval '500 ms')")
	got := 0
	for {
		m, err := conn.ReceiveMessage(t.Context())
		require.NoError(t, err)
		if d, ok := m.(*pgproto3.CopyData); ok {
			got += len(d.Data)
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	require.Equal(t, rows*width, got)
}

// TestReplicationFromAReplica: without a primary a physical standby can follow a replica; logical decoding has to wait.
func TestReplicationFromAReplica(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	f := start(t, c, func(cfg *configs.Config) {
		cfg.Cluster.CheckInterval, cfg.Pool.AcquireTimeout = 50*time.Millisecond, 200*time.Millisecond
	})
	require.NoError(t, c.Primary().Stop("fast"))
	until(t, "the replica is asked", func() bool {
		conn, err := walsender(t.Context(), f.dsn("postgres"), "true")
		if err != nil {
			return false
		}
		defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
		rows, err := conn.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll()
		return err == nil && len(rows[0].Rows) == 1
	})
	_, err := walsender(t.Context(), f.dsn("postgres"), "database")
	var said *pgconn.PgError
	require.ErrorAs(t, err, &said)
	require.Equal(t, "57P03", said.Code)
}
