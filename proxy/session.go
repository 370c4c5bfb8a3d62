package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// Session is one client from its start-up packet to its end. One goroutine runs it, in lockstep: read a request, send it,
// relay the answers. Everything outside mu belongs to that goroutine.
type Session struct {
	p      *Proxy
	log    *zap.Logger
	wire   *pgwire.Conn
	client *pgwire.Reader

	pid    uint32
	secret [4]byte

	database, user string
	cred           *auth.Credentials
	base           *backend.Settings // what the start-up packet asked for: where RESET leads
	settings       *backend.Settings // base and what the session has set since
	derived        derived           // what follows from settings
	defaults       *defaults         // what the server has for this role and database by itself
	searchPath     string
	pathUnsure     bool // search_path was changed in the open transaction: names cannot be resolved

	req   request
	names names
	led   ledger
	key   []byte // scratch for interning

	conn     *backend.Conn // the lease, nil when there is none; mu.conn is the same for other goroutines
	target   router.Target // of the lease
	stranger bool          // another session used conn since this one did, and no request was sent yet
	source   *cluster.Source
	decided  router.Decision
	slot     func() // gives the class's concurrency slot back

	seen    sessionPosition
	want    *backend.Settings // what the leased connection must have for this request
	renamed []renaming

	out      []byte // towards the server
	cout     []byte // towards the client, where its bytes do not lie together in the server's buffer
	pend     []byte // towards the client: a run of the server's buffer, not yet written
	partial  partialFrame
	deaf     bool // the end of the server connection is being looked into
	ran      bool // a statement of this request was completed
	fromIdle bool // this request began outside a transaction
	wrote    bool // something of the answer to this request went to the client

	rec     *recorder
	effects effects
	touched []string // settings that statements since the last settling named
	resets  []string // those of them that went back to their default
	asked   *answer  // where the row of a question of ours goes
	pin     pinReason
	written []cachepolicy.Table // changed by the open transaction, to be invalidated before its end is acknowledged
	ddl     bool                // the open transaction changed the schema
	retry   retryState
	refused bool // a local error was given in the extended protocol: ignore everything up to Sync
	last    lastStatement
	started time.Time

	waits    context.Context // see waitable
	endWaits context.CancelCauseFunc

	wakes atomic.Uint32
	mu    struct {
		sync.Mutex
		conn    *backend.Conn
		busy    bool                    // a statement of this session runs on conn
		waiting context.CancelCauseFunc // ends a wait for a connection or a position
		state   sessionState
		since   int64 // when state began, in ticks of the watcher
	}
}

// sessionState is what the watcher looks at.
type sessionState uint8

const (
	stateClient sessionState = iota // waits for the client
	stateServer                     // waits for the server
)

// The reasons to interrupt a session that waits for its client.
const (
	wakeServer   uint32 = 1 << iota // its server connection has something to say
	wakeShutdown                    // aioproxy stops
)

// errTerminate: the client said good-bye.
var errTerminate = errors.New("terminate")

// run serves the client until it goes. ctx ends when running transactions must not be waited for any longer.
func (s *Session) run(ctx context.Context) {
	err := s.startup(ctx)
	for err == nil {
		if err = s.readRequest(); err == nil {
			err = s.handle(ctx)
			s.endRequest()
		}
	}
	s.end(err)
}

// handle carries out one request.
func (s *Session) handle(ctx context.Context) error {
	s.started = time.Now()
	s.wrote = false
	if s.req.big {
		return s.stream(ctx)
	}
	if n := len(s.req.frames); s.req.frames[n-1].typ == 'X' {
		return errTerminate
	}
	if s.refused {
		return s.skipToSync()
	}
	s.inspect()
	var err error
	switch {
	case s.local():
		err = s.flushClient()
	case s.conn != nil:
		err = s.held(ctx)
	default:
		err = s.dispatch(ctx)
	}
	if err == nil {
		return nil
	}
	return s.failed(err)
}

// failed answers a request that reached no server; any other error ends the session.
func (s *Session) failed(err error) error {
	var f *failure
	if errors.As(err, &f) && s.conn == nil && !f.final {
		return s.refuse(f)
	}
	return err
}

func (s *Session) endRequest() {
	if !s.req.big {
		s.client.Discard(len(s.req.raw))
	}
	s.req.raw = nil
	if cap(s.key) > keepCapacity {
		s.key = nil
	}
}

// fillClient parks until the client sends. Whoever else needs the session meanwhile wakes it.
func (s *Session) fillClient() error {
	if s.atRest() && s.p.draining.Load() && len(s.client.Buffered()) == 0 {
		return s.shutdown()
	}
	for {
		err := s.client.Fill()
		if !errors.Is(err, pgwire.ErrWoken) {
			return err
		}
		if err := s.woken(); err != nil {
			return err
		}
	}
}

// woken looks at why the session was interrupted while it waited for its client.
func (s *Session) woken() error {
	w := s.wakes.Swap(0)
	if w&wakeServer != 0 && s.conn != nil {
		if err := s.asynchronous(); err != nil {
			return err
		}
	}
	if s.p.draining.Load() && s.atRest() {
		return s.shutdown()
	}
	if w&wakeShutdown != 0 && s.p.forced.Load() {
		return s.shutdown()
	}
	return nil
}

// atRest reports whether the session is between transactions, holding a server connection or not.
func (s *Session) atRest() bool { return s.conn == nil || s.led.idle() }

func (s *Session) shutdown() error {
	return &failure{code: codeAdminShutdown, message: "terminating connection due to administrator command"}
}

// wake interrupts the session if it waits for its client; it may be called from any goroutine.
func (s *Session) wake(why uint32) {
	s.wakes.Or(why)
	s.wire.Wake()
}

// end says what there is to say and gives everything back.
func (s *Session) end(err error) {
	var f *failure
	switch {
	case err == nil, errors.Is(err, errTerminate), errors.Is(err, errGone):
	case errors.As(err, &f):
		// One try: a client that does not read its last words shall not hold us up.
		_, _ = s.wire.TryWrite(f.append(s.cout[:0], "FATAL"))
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	default:
		s.log.Debug("session ended", zap.Error(err))
	}
	s.abandon()
	if s.endWaits != nil {
		s.endWaits(nil)
	}
	_ = s.wire.Close()
}

// abandon gives the lease up in whatever state it is: the server connection is closed unless it is provably clean, and
// results that an unfinished commit may have changed are forgotten.
func (s *Session) abandon() {
	s.stopRecording()
	if s.conn != nil {
		clean := s.led.idle() && s.pin == notPinned && s.effects == 0
		s.release(clean)
	}
}

// lease notes that the session now owns a server connection.
func (s *Session) lease(c *backend.Conn, target router.Target) {
	s.conn, s.target = c, target
	s.stranger, c.Lessee = c.Lessee != s.pid, s.pid
	s.led.reset()
	s.mu.Lock()
	s.mu.conn = c
	s.mu.Unlock()
}

// release gives the lease back; keep says that the server connection is clean.
func (s *Session) release(keep bool) {
	c := s.conn
	s.conn = nil
	s.mu.Lock()
	s.mu.conn, s.mu.busy = nil, false
	s.mu.Unlock()
	s.led.reset()
	s.partial = partialFrame{}
	if s.pin != notPinned {
		s.setPin(notPinned)
	}
	s.effects, s.touched, s.resets = 0, s.touched[:0], s.resets[:0]
	s.pathUnsure = false
	if s.source != nil {
		s.source.Done()
		s.source = nil
	}
	s.leaveClass()
	s.p.pools.Release(c, keep)
	if !keep && (len(s.written) > 0 || s.ddl) {
		s.invalidate() // the server may have carried out what nobody heard of
	}
}

func (s *Session) leaveClass() {
	if s.slot != nil {
		s.slot()
		s.slot = nil
	}
}

// refuse answers a request that reached no server: an error, then what follows an error in this protocol.
func (s *Session) refuse(f *failure) error {
	s.stopRecording()
	s.leaveClass()
	s.p.metrics.refused(f.code)
	s.cout = f.append(s.cout[:0], "ERROR")
	s.pend = nil
	switch {
	case !s.req.complete || s.req.boundary() == 'H':
		s.refused = true
	default:
		s.cout = pgwire.AppendReadyForQuery(s.cout, 'I')
	}
	s.last.failed(f)
	return s.flushClient()
}

// skipToSync is what PostgreSQL does after an error in the extended protocol.
func (s *Session) skipToSync() error {
	for i := range s.req.frames {
		if s.req.frames[i].typ == 'S' {
			s.refused = false
			s.cout = pgwire.AppendReadyForQuery(s.cout[:0], 'I')
			return s.flushClient()
		}
	}
	return nil
}

// flushClient writes what was collected for the client in one write.
func (s *Session) flushClient() error {
	b := s.pend
	if len(s.cout) > 0 {
		s.cout = append(s.cout, s.pend...)
		b = s.cout
	}
	s.pend = nil
	if len(b) == 0 {
		return nil
	}
	s.wrote = true
	err := s.wire.Write(b)
	if cap(s.cout) > keepCapacity {
		s.cout = nil
	}
	s.cout = s.cout[:0]
	return err
}

// keepCapacity is the size up to which a session keeps a scratch buffer between requests.
const keepCapacity = 4 << 10
