package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// faultTimeout bounds every wait.
const faultTimeout = 5 * time.Second

// stage is a proxy without nodes: its sessions are given the server connection that a test plays.
type stage struct {
	p       *Proxy
	servers chan net.Conn // the far ends of what Acquire dials
}

func newStage(t *testing.T) *stage {
	st := &stage{servers: make(chan net.Conn, 10)}
	log, reg := zap.NewNop(), prometheus.NewRegistry()
	pools := backend.New(backend.DefaultConfig(), backend.Deps{
		Log: log, Metrics: backend.NewMetrics(reg),
		Dial: func(context.Context, backend.DialConfig) (*backend.Conn, error) {
			here, there := pair(t)
			st.servers <- there
			wire := pgwire.NewConn(here)
			return &backend.Conn{Wire: wire, Reader: pgwire.NewReader(wire, serverWindow), Prepared: backend.NewPrepared(10), Applied: backend.Empty}, nil
		},
		Cancel: func(context.Context, *backend.Conn) (bool, error) { return false, nil },
	})
	nodes := cluster.New(cluster.DefaultConfig(), cluster.Deps{Log: log, Metrics: cluster.NewMetrics(reg)})
	nobody := func(context.Context, string) (*pgx.Conn, error) { return nil, errors.New("there is no server") }
	results, err := store.New(t.Context(), store.DefaultConfig(), store.Deps{Log: log, Metrics: store.NewMetrics(reg)})
	require.NoError(t, err)
	st.p = New(DefaultConfig(), Deps{
		Log: log, Memo: parser.NewMemo(parser.DefaultConfig(), pgquery.New()), Router: router.New(router.DefaultConfig()), Cluster: nodes,
		Catalog: catalog.New(catalog.DefaultConfig(), catalog.Deps{Connect: nobody, Log: log, Metrics: catalog.NewMetrics(reg)}),
		Policy:  cachepolicy.New(cachepolicy.DefaultConfig()), Store: results, Pools: pools,
		Auth: auth.New(auth.DefaultConfig(), auth.Deps{Metrics: auth.NewMetrics(reg)}), Metrics: NewMetrics(reg),
	})
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), faultTimeout)
		defer stop()
		require.NoError(t, pools.Close(ctx), "every server connection was given back")
		require.NoError(t, results.Close(ctx))
	})
	return st
}

// pair is a connection and its other end. It is TCP: what net.Pipe has written is not there before it is read.
func pair(t *testing.T) (a, b net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err = l.Accept()
	require.NoError(t, err)
	for _, c := range []net.Conn{a, b} {
		require.NoError(t, c.SetDeadline(time.Now().Add(faultTimeout)))
		t.Cleanup(func() { _ = c.Close() })
	}
	require.NoError(t, a.SetDeadline(time.Time{}))
	return a, b
}

// actor is a session past its login, pinned to a server connection that the test plays.
type actor struct {
	t       *testing.T
	session *Session
	client  net.Conn
	server  net.Conn
	hears   *pgproto3.Backend // what reaches the server
}

func (st *stage) enter(t *testing.T) *actor {
	a := st.cast(t)
	var running sync.WaitGroup
	ctx := t.Context()
	running.Go(func() { a.session.requests(ctx, nil) })
	t.Cleanup(running.Wait)
	t.Cleanup(func() { _, _ = a.client.Close(), a.server.Close() })
	return a
}

// cast is an actor whose session the test itself carries out.
func (st *stage) cast(t *testing.T) *actor {
	near, far := pair(t)
	wire := pgwire.NewConn(near)
	s := &Session{p: st.p, log: zap.NewNop(), wire: wire, client: pgwire.NewReader(wire, window), database: "d", user: "u"}
	s.base = backend.Empty
	s.led.dropped = s.dropped
	s.setDefaults(&defaults{})
	c, err := st.p.pools.Acquire(t.Context(), backend.Key{Node: "n", Database: "d", User: "u"}, nil, backend.Empty)
	require.NoError(t, err)
	s.lease(c, router.Primary)
	s.setPin(pinTemporary)
	a := &actor{t: t, session: s, client: far, server: <-st.servers}
	a.hears = pgproto3.NewBackend(a.server, a.server)
	return a
}

// ask sends a Query and waits until the server has it.
func (a *actor) ask() {
	_, err := a.client.Write(pgwire.AppendQuery(nil, "select 1"))
	require.NoError(a.t, err)
	m, err := a.hears.Receive()
	require.NoError(a.t, err)
	require.IsType(a.t, &pgproto3.Query{}, m)
}

func (a *actor) says(b string) {
	_, err := a.server.Write([]byte(b))
	require.NoError(a.t, err)
}

// gets reads messages up to the nth ReadyForQuery or the end and names them by their types; of errors, severity and SQLSTATE.
func (a *actor) gets(ready int) string {
	var got []string
	for ready > 0 {
		var head [5]byte
		if _, err := io.ReadFull(a.client, head[:]); err != nil {
			return strings.Join(append(got, ending(err)), " ")
		}
		h, _, err := pgwire.Peek(head[:])
		require.NoError(a.t, err)
		body := make([]byte, h.BodyLen())
		if _, err := io.ReadFull(a.client, body); err != nil {
			return strings.Join(append(got, "part of "+string(h.Type), ending(err)), " ")
		}
		name := string(h.Type)
		switch h.Type {
		case 'E':
			name = fmt.Sprintf("%s:%s", pgwire.ErrorField(body, 'V'), pgwire.ErrorField(body, 'C'))
		case 'Z':
			ready--
		}
		got = append(got, name)
	}
	return strings.Join(got, " ")
}

func ending(err error) string {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return "timeout"
	}
	return "end"
}

// The messages of the scripted server.
var (
	row         = message('D', "\x00\x01\x00\x00\x00\x011")
	description = message('T', "\x00\x00")
	complete    = message('C', "SELECT 1\x00")
	ready       = message('Z', "I")
	notice      = message('N', "SNOTICE\x00C00000\x00\x00")
	told        = message('A', "\x00\x00\x00\x01a\x00b\x00")
	status      = message('S', "a\x00b\x00")
	fatalError  = message('E', "SFATAL\x00VFATAL\x00C57P01\x00\x00")
	plainError  = message('E', "SERROR\x00VERROR\x00C22012\x00\x00")
)

func message(typ byte, body string) string {
	return string(pgwire.AppendHeader(nil, typ, len(body))) + body
}

// What a client hears when its server stops in the middle: everything that came, then one error if there is room for it, and
// the end. Of a server that says what no server should nothing is passed on that came in the same breath.
func TestServerFaults(t *testing.T) {
	for name, c := range map[string]struct{ says, client string }{
		"nothing":                              {"", "FATAL:08006 end"},
		"ends behind the description":          {description, "T FATAL:08006 end"},
		"ends behind a row":                    {description + row, "T D FATAL:08006 end"},
		"ends within a row":                    {description + row + row[:8], "T D part of D end"},
		"ends within a header":                 {description + row + row[:3], "T D FATAL:08006 end"},
		"ends within an error":                 {description + plainError[:12], "T FATAL:08006 end"},
		"ends before ReadyForQuery":            {description + row + complete, "T D C FATAL:08006 end"},
		"ends behind an error":                 {plainError, "ERROR:22012 FATAL:08006 end"},
		"fatal at once":                        {fatalError, "FATAL:57P01 end"},
		"fatal behind rows":                    {description + row + fatalError, "T D FATAL:57P01 end"},
		"fatal behind the last row":            {description + row + complete + fatalError, "T D C FATAL:57P01 end"},
		"fatal among notices":                  {notice + fatalError, "N FATAL:57P01 end"},
		"no protocol":                          {"HTTP/1.1 400 Bad Request\r\n\r\n", "FATAL:08006 end"},
		"no protocol behind a row":             {description + row + "\x00\x00\x00\x00\x00\x00", "FATAL:08006 end"},
		"a length below the least":             {description + "D\x00\x00\x00\x03", "FATAL:08006 end"},
		"a length beyond the most":             {description + "D\xff\xff\xff\xff", "FATAL:08006 end"},
		"an answer to something else":          {"2\x00\x00\x00\x04", "FATAL:08P01 end"},
		"a request for a password":             {"R\x00\x00\x00\x08\x00\x00\x00\x03", "FATAL:08P01 end"},
		"an unknown type behind a row":         {description + row + "~\x00\x00\x00\x04", "FATAL:08P01 end"},
		"ReadyForQuery without a status":       {complete + "Z\x00\x00\x00\x04", "FATAL:08P01 end"},
		"ParameterStatus without a terminator": {"S\x00\x00\x00\x07a\x00b", "FATAL:08P01 end"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newStage(t).enter(t)
			a.ask()
			a.says(c.says)
			require.NoError(t, a.server.(*net.TCPConn).CloseWrite())
			require.Equal(t, c.client, a.gets(1))
			require.NoError(t, a.client.Close())
			_, err := io.Copy(io.Discard, a.server)
			require.NoError(t, err, "the server connection was closed")
		})
	}
}

// A client whose BEGIN was put off, and has been carried out by now, believes in a transaction: without its server connection
// what it sends next would run outside of one. If not even the BEGIN was answered, the transaction has failed.
func TestServerLostBehindADeferredBegin(t *testing.T) {
	begun := message('1', "") + message('2', "") + message('C', "BEGIN\x00")
	for name, c := range map[string]struct{ says, client string }{
		"before":     {message('1', ""), "ERROR:08006 Z"},
		"behind":     {begun, "FATAL:08006 end"},
		"far behind": {begun + message('3', "") + description, "T FATAL:08006 end"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newStage(t).cast(t)
			s := a.session
			s.unpinAll()
			s.begun = deferredBegin{active: true, simple: true, stmt: &statement{id: 1, text: "begin"}}
			var running sync.WaitGroup
			ctx := t.Context()
			running.Go(func() { s.requests(ctx, nil) })
			_, err := a.client.Write(pgwire.AppendQuery(nil, "update t set a = 1"))
			require.NoError(t, err)
			for range 5 { // Parse, Bind, Execute, Close, Query
				_, err := a.hears.Receive()
				require.NoError(t, err)
			}
			a.says(c.says)
			require.NoError(t, a.server.(*net.TCPConn).CloseWrite())
			require.Equal(t, c.client, a.gets(1))
			require.NoError(t, a.client.Close())
			running.Wait()
		})
	}
}

// What comes unasked reaches the client where it came: between the messages of an answer and between answers.
func TestUnaskedMessagesKeepTheirPlace(t *testing.T) {
	a := newStage(t).enter(t)
	a.ask()
	a.says(notice + description + status + row + told + row + notice + complete + status + ready)
	require.Equal(t, "N T S D A D N C S Z", a.gets(1))
	a.says(told + notice + status)
	a.session.wake(wakeServer)
	a.ask()
	a.says(description + complete + ready)
	require.Equal(t, "A N S T C Z", a.gets(1))
}

// An answer that nobody asked for is not taken for the answer to what is asked next.
func TestAnswerToNothing(t *testing.T) {
	for name, stray := range map[string]string{"ReadyForQuery": ready, "a row": row, "a whole answer": description + row + complete + ready} {
		t.Run(name, func(t *testing.T) {
			a := newStage(t).enter(t)
			a.ask()
			a.says(description + complete + ready + stray)
			require.Equal(t, "T C Z", a.gets(1))
			_, err := a.client.Write(pgwire.AppendQuery(nil, "select 2"))
			require.NoError(t, err)
			require.Equal(t, "FATAL:08P01 end", a.gets(1))
		})
	}
}

// A server that takes its time over one session holds up no other.
func TestSlowServerHoldsUpNobodyElse(t *testing.T) {
	st := newStage(t)
	slow, quick := st.enter(t), st.enter(t)
	slow.ask()
	slow.says(description + row[:7])
	for range 20 {
		quick.ask()
		quick.says(description + row + complete + ready)
		require.Equal(t, "T D C Z", quick.gets(1))
	}
	slow.says(row[7:] + complete + ready)
	require.Equal(t, "T D C Z", slow.gets(1))
}

// Settings that a replica cannot take, because it recovers or cannot serialise, send the request elsewhere. On the primary the
// client hears of it, and the statement is not sent.
func TestSettingsRefused(t *testing.T) {
	for _, code := range []string{"40001", "25006"} {
		for _, target := range []router.Target{router.Replica, router.Primary} {
			t.Run(code+" "+target.String(), func(t *testing.T) {
				a := newStage(t).cast(t)
				s := a.session
				defer func() {
					if s.conn != nil {
						s.release(false)
					}
				}()
				s.target, s.retry, s.want = target, retryState{allowed: true, attempts: 1}, backend.Empty.With("work_mem", "1MB")
				a.says(message('E', "SERROR\x00VERROR\x00C"+code+"\x00\x00") + ready)
				err := s.prepareServer()
				m, heard := a.hears.Receive()
				require.NoError(t, heard)
				require.Contains(t, m.(*pgproto3.Query).String, "set_config")
				if target == router.Replica {
					require.ErrorIs(t, err, errRetry)
					return
				}
				var f *failure
				require.ErrorAs(t, err, &f)
				require.Equal(t, code, f.code)
				require.Nil(t, s.conn, "nobody knows what it has taken")
			})
		}
	}
}
