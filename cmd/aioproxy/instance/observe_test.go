package instance_test

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

// itemsSchema is what most tests of caching and routing read.
const itemsSchema = `
CREATE TABLE items (id int PRIMARY KEY, name text, price numeric(10,2), at timestamptz, data bytea, ratio float8);
INSERT INTO items SELECT i, 'item ' || i, i * 1.25, '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour',
  decode(lpad(to_hex(i), 8, '0'), 'hex'), i / 3.0::float8 FROM generate_series(1, 50) i;
INSERT INTO items (id) VALUES (51);
CREATE TABLE other (id int PRIMARY KEY, item int REFERENCES items ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO other SELECT i, i FROM generate_series(1, 50) i;
ANALYZE;`

// sample makes a database for one test on all nodes of c.
func sample(t *testing.T, c *testbed.Cluster, name string, statements ...string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	drop := "DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"
	require.NoError(t, c.Primary().Exec(ctx, "postgres", drop, "CREATE DATABASE "+name))
	t.Cleanup(func() { require.NoError(t, c.Primary().Exec(ctx, "postgres", drop)) })
	require.NoError(t, c.Primary().Exec(ctx, name, statements...))
	require.NoError(t, c.CatchUp(ctx))
	return name
}

// keepAll lets results of all reads be kept, however cheap they were.
func keepAll(cfg *configs.Config) {
	cfg.Cache.MinCost = 0
	cfg.Router.Classes.OLTP.Cache = true
}

// happened is a row of SHOW aioproxy.last.
type happened struct{ class, target, node, reason, cache, cacheReason, pin string }

func lastOf(t *testing.T, conn *pgx.Conn) happened {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), "SHOW aioproxy.last").ReadAll()
	require.NoError(t, err)
	r := results[0].Rows[0]
	return happened{
		class: string(r[0]), target: string(r[1]), node: string(r[2]), reason: string(r[3]), cache: string(r[4]),
		cacheReason: string(r[5]), pin: string(r[6]),
	}
}

// simple runs a text by the simple protocol and returns the rows of its last result and what happened to it.
func simple(t *testing.T, conn *pgx.Conn, sql string) ([][]string, happened) {
	t.Helper()
	rows, err := trySimple(t.Context(), conn, sql)
	require.NoError(t, err, sql)
	return rows, lastOf(t, conn)
}

func trySimple(ctx context.Context, conn *pgx.Conn, sql string) ([][]string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	rows := [][]string{}
	for _, r := range results[len(results)-1].Rows {
		row := make([]string, len(r))
		for i, v := range r {
			row[i] = string(v)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// one is the single value that a text returns.
func one(t *testing.T, conn *pgx.Conn, sql string) (string, happened) {
	t.Helper()
	rows, h := simple(t, conn, sql)
	require.Len(t, rows, 1, sql)
	return rows[0][0], h
}

// until polls for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(15 * time.Second); !cond(); <-tick.C {
		require.True(t, time.Now().Before(deadline), "never happened: %s", what)
	}
}

// known waits until the catalog of the connection's database is loaded: after the start and after each DDL.
func known(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	until(t, "the catalog is known", func() bool {
		_, h := simple(t, conn, "/* aioproxy: cache=off */ "+sql)
		return h.reason != "catalog_unknown" && h.reason != "unknown_name"
	})
}

// rawConn speaks the protocol and hands out the bytes of answers as they are.
type rawConn struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

// dialRaw connects as user postgres. settings are pairs of start-up parameters.
func dialRaw(t *testing.T, host string, port int, database string, settings map[string]string) *rawConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), 5*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	r := &rawConn{t: t, conn: conn}
	params := map[string]string{"user": "postgres", "database": database}
	for k, v := range settings {
		params[k] = v
	}
	r.exchange(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: params})
	return r
}

// exchange sends messages in one write and returns all bytes up to as many ReadyForQuery as there are Queries, Syncs and
// start-up messages.
func (r *rawConn) exchange(messages ...pgproto3.FrontendMessage) []byte {
	r.t.Helper()
	var out []byte
	ready := 0
	for _, m := range messages {
		var err error
		out, err = m.Encode(out)
		require.NoError(r.t, err)
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.StartupMessage:
			ready++
		}
	}
	_, err := r.conn.Write(out)
	require.NoError(r.t, err)
	var answer []byte
	for ready > 0 {
		m := r.message()
		if m[0] == 'Z' {
			ready--
		}
		answer = append(answer, m...)
	}
	return answer
}

// message reads one message with its header.
func (r *rawConn) message() []byte {
	r.t.Helper()
	for {
		if len(r.buf) >= 5 {
			n := 1 + int(r.buf[1])<<24 + int(r.buf[2])<<16 + int(r.buf[3])<<8 + int(r.buf[4])
			if len(r.buf) >= n {
				m := bytes.Clone(r.buf[:n])
				r.buf = r.buf[n:]
				return m
			}
		}
		chunk := make([]byte, 32<<10)
		n, err := r.conn.Read(chunk)
		require.NoError(r.t, err)
		r.buf = append(r.buf, chunk[:n]...)
	}
}

// cacheStatus asks by the simple protocol what the cache did with the previous statement.
func (r *rawConn) cacheStatus() string {
	r.t.Helper()
	answer := r.exchange(&pgproto3.Query{String: "SHOW aioproxy.last"})
	for len(answer) > 0 {
		n := 1 + int(answer[1])<<24 + int(answer[2])<<16 + int(answer[3])<<8 + int(answer[4])
		if answer[0] == 'D' {
			var row pgproto3.DataRow
			require.NoError(r.t, row.Decode(answer[5:n]))
			return string(row.Values[4])
		}
		answer = answer[n:]
	}
	r.t.Fatal("no row")
	return ""
}
