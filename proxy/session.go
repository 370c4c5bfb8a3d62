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
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/admin"
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

	pid    uint32 // what its client was told
	secret [4]byte
	tenant backend.Tenant

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
	own   ownNames
	led   ledger
	key   []byte // scratch for interning

	conn     *backend.Conn // the lease, nil when there is none; mu.conn is the same for other goroutines
	target   router.Target // of the lease
	stranger bool          // another session used conn since this one did, and this one has not advanced a sequence yet
	source   *cluster.Source
	decided  router.Decision
	slot     func()        // gives the class's concurrency slot back
	unjudged []doubt       // statements to be judged when the catalog is known
	wroteOn  *backend.Conn // of the primary, where the last request that does not only read went; only to compare with
	begun    deferredBegin
	lingers  bool  // the connection is kept for a moment; see currvals
	advanced int64 // when a sequence may have been advanced last, in ticks of the watcher

	seen    sessionPosition
	want    *backend.Settings // what the leased connection must have for this request
	renamed []renaming
	noted   bool           // note was done for the request under way
	sentAt  uint64         // the schema generation when it was sent
	params  []byte         // parameter types of the statement that is being described
	checked *backend.Shape // of a statement that was parsed once more

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
	pins    pinSet
	keeper  bool                // it was pinned at least once
	written []cachepolicy.Table // changed by the open transaction, to be invalidated before its end is acknowledged
	ddl     bool                // the open transaction changed the schema
	retry   retryState
	refused bool // a local error was given in the extended protocol: ignore everything up to Sync
	last    lastStatement
	started time.Time

	waits    context.Context // see waitable
	endWaits context.CancelCauseFunc

	loggedIn uint64            // the number of logins.latest at the login, or later if nothing since concerned the session
	old      bool              // see outdated
	relogins []*parser.Relogin // in the open transaction

	replication *replication           // what the start-up packet asked for, nil otherwise
	tunnel      atomic.Pointer[tunnel] // of a replication connection

	console *admin.Console                   // for a client of the console, nil otherwise
	shown   atomic.Pointer[backend.Settings] // settings, for other goroutines

	wakes atomic.Uint32
	mu    struct {
		sync.Mutex
		conn      *backend.Conn
		busy      bool                    // a statement of this session runs on conn
		waiting   context.CancelCauseFunc // ends a wait for a connection or a position
		state     sessionState
		since     int64  // when state began, in ticks of the watcher
		begun     int64  // when a BEGIN was put off; 0: none, or it is under way
		lingers   int64  // since when the connection is kept for a question about a sequence
		paused    int64  // since when, in ticks of the watcher, the rest of a request is awaited; 0: it is not
		lastWords []byte // of a home that an administrator closed
		pins      []heldPin
		status    byte // of the transaction, when the last statement ended
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
	wakeEnded                       // an administrator ended its home
	wakeBegin                       // a BEGIN that was put off is due
	wakeLinger                      // no question about a sequence came
	wakePaused                      // the rest of a request was awaited long enough
)

// errTerminate: the client said good-bye.
var errTerminate = errors.New("terminate")

// run serves the client until it goes. ctx ends when running transactions must not be waited for any longer.
func (s *Session) run(ctx context.Context) {
	err := s.startup(ctx)
	if t := s.tunnel.Load(); t != nil {
		err = t.run(err)
	}
	s.requests(ctx, err)
}

// requests carries out one request after the other, unless the session is over with err already, to the end.
func (s *Session) requests(ctx context.Context, err error) {
	for err == nil {
		if err = s.readRequest(ctx); err == nil {
			err = s.handle(ctx)
			s.endRequest()
		}
	}
	s.end(err)
}

// handle carries out one request.
func (s *Session) handle(ctx context.Context) error {
	if s.console != nil {
		return s.consult()
	}
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
	s.askedSequence()
	if done := s.vacate(ctx); done != nil {
		defer done()
	}
	s.awaitCatalog(ctx)
	var err error
	switch {
	case s.local():
		err = s.flushClient()
	case s.conn != nil:
		err = s.held(ctx)
	case s.begun.active:
		err = s.inDeferred(ctx)
	case s.defers():
		err = s.flushClient()
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
func (s *Session) fillClient(ctx context.Context) error {
	if s.atRest() && s.p.draining.Load() && len(s.client.Buffered()) == 0 {
		return s.shutdown()
	}
	for {
		err := s.client.Fill()
		if !errors.Is(err, pgwire.ErrWoken) {
			return err
		}
		if err := s.woken(ctx); err != nil {
			return err
		}
	}
}

// woken looks at why the session was interrupted while it waited for its client.
func (s *Session) woken(ctx context.Context) error {
	w := s.wakes.Swap(0)
	if w&wakeBegin != 0 {
		if err := s.beginNow(ctx); err != nil {
			return err
		}
	}
	if w&wakeLinger != 0 && len(s.req.frames) == 0 {
		s.lingeredLong()
	}
	if w&wakeEnded != 0 {
		if err := s.ended(); err != nil {
			return err
		}
	}
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
	if w&wakePaused != 0 {
		return errPaused
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
	if t := s.tunnel.Load(); t != nil {
		t.server.Wire.Wake()
		return
	}
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
		clean := s.led.idle() && s.pins == 0 && s.effects == 0
		s.release(clean)
	}
}

// lease notes that the session now owns a server connection.
func (s *Session) lease(c *backend.Conn, target router.Target) {
	s.conn, s.target = c, target
	s.stranger = c.Lessee != s.tenant.ID
	s.led.reset()
	s.own.newLease()
	s.mu.Lock()
	s.mu.conn = c
	s.mu.Unlock()
}

// release gives the lease back; keep says that the server connection is clean.
func (s *Session) release(keep bool) {
	c := s.conn
	s.leaveOwnNames()
	s.conn = nil
	s.mu.Lock()
	s.mu.conn, s.mu.busy, s.mu.lingers = nil, false, 0
	s.mu.Unlock()
	s.led.reset()
	s.partial = partialFrame{}
	s.lingers = false
	s.unpinAll()
	s.effects, s.touched, s.resets = 0, s.touched[:0], s.resets[:0]
	s.pathUnsure, s.begun.sent, s.begun.portals = false, false, false
	s.unjudged = s.unjudged[:0]
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
	case !s.req.complete || !s.req.big && s.req.boundary() == 'H':
		s.refused = true
	default:
		s.cout = pgwire.AppendReadyForQuery(s.cout, s.status())
	}
	s.last.failed(f)
	return s.flushClient()
}

// skipToSync is what PostgreSQL does after an error in the extended protocol.
func (s *Session) skipToSync() error {
	for i := range s.req.frames {
		if s.req.frames[i].typ == 'S' {
			s.refused = false
			s.cout = pgwire.AppendReadyForQuery(s.cout[:0], s.status())
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
