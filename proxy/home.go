package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// homeWait is how long a session waits at most for its own connection, where another would do as well but for its process id.
const homeWait = time.Second

// moveIn gives the session a server connection to be at home on, and with it a process id that PostgreSQL knows: what
// BackendKeyData says is what pg_backend_pid() says. While all connections are somebody's home the process id is made up.
func (s *Session) moveIn(ctx context.Context) error {
	if node, ok := s.p.cluster.Primary(); ok {
		s.findHome(ctx, node)
	}
	if !s.derived.idleTimeout {
		return nil
	}
	// The server shall end the session also if no statement ever comes.
	if err := s.acquire(ctx, router.Decision{Target: router.Primary, Rule: -1}); err != nil {
		return err
	}
	if _, err := s.greet(welcomeQuery); err != nil {
		return err
	}
	s.pinTimeout()
	s.setBusy(false)
	return nil
}

func (s *Session) findHome(ctx context.Context, node string) {
	ctx, stop := context.WithTimeout(ctx, homeWait)
	defer stop()
	pool := s.p.pools.Pool(backend.Key{Node: node, Database: s.database, User: s.user})
	if err := pool.Settle(ctx, s.cred, s.base, &s.tenant); err != nil {
		return // the login itself was in order; what is wrong will be said to the first statement
	}
	if c := s.tenant.Home(); c != nil {
		s.p.sessions.rename(s, c.PID)
	}
}

// lends leases a connection of a pool: on the primary best the session's home, and for a question about sequences where the
// session wrote last.
func (s *Session) lends(ctx context.Context, pool *backend.Pool, target router.Target) (*backend.Conn, error) {
	if target != router.Primary {
		return pool.Acquire(ctx, s.cred, s.want)
	}
	c, err := s.lendsHome(ctx, pool)
	words := s.tenant.Lost()
	if words == nil || !shutdownWords(words) || !s.p.endedAlone(ctx, pool.Key().Node) {
		return c, err
	}
	if err == nil {
		s.p.pools.Release(c, true)
	}
	return nil, &failure{code: codeAdminShutdown, body: words[pgwire.HeaderSize:], final: true}
}

func (s *Session) lendsHome(ctx context.Context, pool *backend.Pool) (*backend.Conn, error) {
	switch s.asks() {
	case asksOwnPID:
		patient, stop := context.WithTimeout(ctx, homeWait)
		defer stop()
		if c, err := pool.AcquireHome(patient, s.cred, s.want, &s.tenant); err == nil || ctx.Err() != nil {
			return c, err
		}
	case asksSequence:
		return pool.AcquireFor(ctx, s.cred, s.want, &s.tenant, s.wroteOn)
	case asksNothing:
	}
	return pool.AcquireFor(ctx, s.cred, s.want, &s.tenant, nil)
}

// shutdownWords reports whether a server process said that an administrator ended it.
func shutdownWords(words []byte) bool {
	return len(words) > pgwire.HeaderSize && string(pgwire.ErrorField(words[pgwire.HeaderSize:], 'C')) == codeAdminShutdown
}

// endedAlone reports whether a node goes on although it ended a process of its own: an administrator meant just that one.
func (p *Proxy) endedAlone(ctx context.Context, node string) bool {
	generation, up, _ := p.nodeNow(node)
	began := time.Now()
	for up && time.Since(began) < mournFor {
		now, still, checked := p.nodeNow(node)
		if !still || now != generation {
			return false
		}
		if checked.Sub(began) > stopsWithin {
			return true
		}
		p.cluster.Suspect(node)
		if !waitFor(ctx, 5*time.Millisecond) {
			return false
		}
	}
	return false
}

// asking says whether it matters on which connection a request runs.
type asking uint8

const (
	asksNothing asking = iota
	asksOwnPID
	asksSequence
)

func (s *Session) asks() asking {
	for i, f := range s.req.facts {
		switch pinsOf(f, s.req.names[i]) {
		case "backend_pid":
			return asksOwnPID
		case "sequence":
			return asksSequence
		}
	}
	return asksNothing
}

// tellsPID reports whether a statement does little else than tell the client its process id: the client may go on using it.
// One that reads the lists of the server's processes merely leaves itself out.
func tellsPID(f *parser.Facts) bool {
	for i := range f.Statements {
		if len(f.Statements[i].Reads) > 0 {
			return false
		}
	}
	return true
}

// bereavement is a home that the server closed while its session was idle.
type bereavement struct {
	tenant     uint64
	node       string
	words      []byte
	generation uint64 // of the node
	at         time.Time
}

// bereaved collects them for the watcher.
type bereaved struct {
	mu struct {
		sync.Mutex
		list []bereavement
	}
}

// mournFor is how long it may take to find out whether the server is still there.
const mournFor = 5 * time.Second

// stopsWithin is how long a server that stops may take to tell all of its processes: one has gone while another still answers.
const stopsWithin = 100 * time.Millisecond

// Bereaved takes note that a session's home was closed. If an administrator ended just that one, the session shall end with
// PostgreSQL's words, as it would have on a direct connection. If the server as a whole stops, it shall live: another
// connection will serve it.
func (p *Proxy) Bereaved(tenant uint64, node string, words []byte) {
	if !shutdownWords(words) {
		return
	}
	generation, up, _ := p.nodeNow(node)
	if !up {
		return
	}
	b := bereavement{tenant: tenant, node: node, words: words, generation: generation, at: time.Now()}
	p.bereaved.mu.Lock()
	p.bereaved.mu.list = append(p.bereaved.mu.list, b)
	p.bereaved.mu.Unlock()
	p.cluster.Suspect(node)
}

func (p *Proxy) nodeNow(addr string) (generation uint64, up bool, checked time.Time) {
	for _, n := range p.cluster.Snapshot().Nodes {
		if n.Addr == addr {
			return n.Generation, n.Up, n.CheckedAt
		}
	}
	return 0, false, time.Time{}
}

// mourn ends the sessions whose homes an administrator closed, once it is sure that their server goes on.
func (p *Proxy) mourn() {
	p.bereaved.mu.Lock()
	list := p.bereaved.mu.list
	p.bereaved.mu.list = nil
	p.bereaved.mu.Unlock()
	for _, b := range list {
		generation, up, checked := p.nodeNow(b.node)
		switch {
		case !up || generation != b.generation:
		case checked.Sub(b.at) > stopsWithin:
			p.sessions.each(func(s *Session) {
				if s.tenant.ID == b.tenant {
					s.endWith(b.words)
				}
			})
		case time.Since(b.at) < mournFor:
			p.cluster.Suspect(b.node)
			p.bereaved.mu.Lock()
			p.bereaved.mu.list = append(p.bereaved.mu.list, b)
			p.bereaved.mu.Unlock()
		}
	}
}

// endWith has an idle session end with these words.
func (s *Session) endWith(words []byte) {
	s.mu.Lock()
	s.mu.lastWords = words
	s.mu.Unlock()
	s.wake(wakeEnded)
}

// ended says the last words of its home to the client, unless the session is at work elsewhere by now.
func (s *Session) ended() error {
	if s.conn != nil || s.begun.active {
		return nil
	}
	s.mu.Lock()
	words := s.mu.lastWords
	s.mu.lastWords = nil
	s.mu.Unlock()
	if words == nil {
		return nil
	}
	_ = s.wire.Write(words)
	return errGone
}
