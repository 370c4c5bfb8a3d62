package backend

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

var servers *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{}, func(c *testbed.Cluster) { servers = c }))
}

const patience = 20 * time.Second

// eventually polls; it is what tests use in place of sleeping.
func eventually(t *testing.T, cond func() bool, msg string) {
	t.Helper()
	require.Eventually(t, cond, patience, time.Millisecond, msg)
}

// fakeServer dials connections without a wire.
type fakeServer struct {
	dials atomic.Int64
	fail  atomic.Pointer[error]
	block chan struct{} // if not nil, a dial waits until it is closed
}

func (s *fakeServer) dial(ctx context.Context, cfg DialConfig) (*Conn, error) {
	n := s.dials.Add(1)
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := s.fail.Load(); err != nil {
		return nil, *err
	}
	return &Conn{PID: uint32(n), Applied: Empty, Prepared: NewPrepared(cfg.MaxPreparedStatements), dial: cfg}, nil
}

func (s *fakeServer) failWith(err error) {
	if err == nil {
		s.fail.Store(nil)
		return
	}
	s.fail.Store(&err)
}

var errRefused = errors.New("connection refused")

func testConfig(change func(*Config)) Config {
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func newPools(t testing.TB, cfg Config, dial func(context.Context, DialConfig) (*Conn, error)) *Pools {
	t.Helper()
	require.NoError(t, cfg.Validate())
	ps := New(cfg, Deps{Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()), Dial: dial})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, ps.Close(ctx), "every connection is released at the end of a test")
	})
	return ps
}

// runJanitor runs it until the test ends.
func runJanitor(t *testing.T, ps *Pools) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return ps.Run(ctx) })
	t.Cleanup(func() {
		stop()
		require.NoError(t, g.Wait())
	})
}

// later runs f beside the test, which must take its error before it ends.
func later(t *testing.T, f func() error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { done <- f() })
	t.Cleanup(wg.Wait)
	return done
}

// queue has a client wait in p until done, which is the end of its wait, and returns when it waits. The connection is
// in conn then, for the test to release.
func queue(ctx context.Context, t *testing.T, p *Pool) (conn **Conn, done <-chan error) {
	t.Helper()
	before := p.Stat().Waiting
	conn = new(*Conn)
	done = later(t, func() (err error) {
		*conn, err = p.Acquire(ctx, nil, Empty)
		return err
	})
	eventually(t, func() bool { return p.Stat().Waiting == before+1 }, "waits")
	return conn, done
}

// realKey is a pool on the test's server.
func realKey(database string) Key {
	return Key{Node: servers.Primary().Addr(), Database: database, User: "postgres"}
}

func realDial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), DialConfig{Addr: servers.Primary().Addr(), Database: "postgres", User: "postgres", MaxPreparedStatements: 10})
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c
}

// result is the answer to one Query frame.
type result struct {
	rows [][]string
	err  *ServerError
	tx   byte
}

// roundTrip sends a Query frame as it is.
func roundTrip(c *Conn, frame []byte) (res result, err error) {
	if err := c.Wire.Write(frame); err != nil {
		return res, err
	}
	for {
		f, err := c.Reader.Next()
		if err != nil {
			return res, err
		}
		switch f.Type {
		case pgwire.MsgDataRow:
			res.rows = append(res.rows, decodeRow(f.Body))
		case pgwire.MsgErrorResponse:
			res.err = NewServerError(f.Body)
		case pgwire.MsgParameterStatus:
			if err := c.reported(f.Body); err != nil {
				return res, err
			}
		case pgwire.MsgReadyForQuery:
			res.tx = f.Body[0]
			return res, nil
		}
	}
}

func decodeRow(body []byte) (row []string) {
	n := int(body[0])<<8 | int(body[1])
	body = body[2:]
	for range n {
		size := int(int32(uint32(body[0])<<24 | uint32(body[1])<<16 | uint32(body[2])<<8 | uint32(body[3])))
		body = body[4:]
		if size < 0 {
			row = append(row, "NULL")
			continue
		}
		row = append(row, string(body[:size]))
		body = body[size:]
	}
	return row
}

func query(c *Conn, sql string) (result, error) { return roundTrip(c, pgwire.AppendQuery(nil, sql)) }

// value runs a query of one row and column that must succeed.
func value(t *testing.T, c *Conn, sql string) string {
	t.Helper()
	res, err := query(c, sql)
	require.NoError(t, err)
	require.Nil(t, res.err, "%s: %v", sql, res.err)
	require.Len(t, res.rows, 1, sql)
	return res.rows[0][0]
}
