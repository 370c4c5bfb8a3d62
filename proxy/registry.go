package proxy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/aioproxy/aioproxy/proxy/backend"
)

// errCanceled is the cause of a wait that the client's cancel request ended.
var errCanceled = errors.New("canceled by the client")

// registry knows the sessions by the process id that their clients were given.
type registry struct {
	mu struct {
		sync.Mutex
		byPID map[uint32]*Session
	}
}

func (r *registry) init() { r.mu.byPID = make(map[uint32]*Session) }

// madeUp is set in process ids that are no server's: those end below 2^22 (Linux, PID_MAX_LIMIT).
const madeUp = 1 << 30

// add gives the session a made-up process id and a secret; false when there are limit sessions already.
func (r *registry) add(s *Session, limit int) bool {
	var b [4]byte
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.byPID) >= limit {
		return false
	}
	for s.pid == 0 || r.mu.byPID[s.pid] != nil {
		_, _ = rand.Read(b[:]) // never fails
		s.pid = binary.BigEndian.Uint32(b[:])&(madeUp-1) | madeUp
	}
	_, _ = rand.Read(s.secret[:])
	r.mu.byPID[s.pid] = s
	return true
}

// rename gives the session the process id of a server, unless another one has it: of another node, or from when an earlier
// process had it.
func (r *registry) rename(s *Session, pid uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.byPID[pid] != nil || r.mu.byPID[s.pid] != s {
		return
	}
	delete(r.mu.byPID, s.pid)
	s.pid = pid
	r.mu.byPID[pid] = s
}

// pidOf is the process id that the session's client knows; 0 if it is not there any more.
func (r *registry) pidOf(s *Session) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.byPID[s.pid] != s {
		return 0
	}
	return s.pid
}

func (r *registry) remove(s *Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.byPID[s.pid] != s {
		return false
	}
	delete(r.mu.byPID, s.pid)
	return true
}

func (r *registry) get(pid uint32) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.byPID[pid]
}

func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.mu.byPID)
}

// each calls f for every session, outside the lock.
func (r *registry) each(f func(*Session)) {
	r.mu.Lock()
	all := make([]*Session, 0, len(r.mu.byPID))
	for _, s := range r.mu.byPID {
		all = append(all, s)
	}
	r.mu.Unlock()
	for _, s := range all {
		f(s)
	}
}

// admit enters a session that said who it is; false when there are max_clients.
func (p *Proxy) admit(s *Session) bool { return p.sessions.add(s, p.config().MaxClients) }

// cancel carries out a CancelRequest. As with PostgreSQL the requester hears nothing, whatever comes of it.
func (p *Proxy) cancel(ctx context.Context, pid uint32, key []byte) {
	s := p.sessions.get(pid)
	if s == nil || subtle.ConstantTimeCompare(s.secret[:], key) != 1 {
		p.metrics.cancels.WithLabelValues("refused").Inc()
		return
	}
	if t := s.tunnel.Load(); t != nil {
		p.canceled(p.pools.CancelApart(ctx, t.server))
		return
	}
	s.mu.Lock()
	var ticket backend.Ticket
	if s.mu.conn != nil && s.mu.busy {
		ticket = s.mu.conn.Ticket()
	}
	if s.mu.waiting != nil {
		s.mu.waiting(errCanceled)
	}
	s.mu.Unlock()
	p.canceled(p.pools.Cancel(ctx, ticket))
}

func (p *Proxy) canceled(err error) {
	switch {
	case errors.Is(err, backend.ErrNotLeased):
		p.metrics.cancels.WithLabelValues("idle").Inc()
	case err != nil:
		p.metrics.cancels.WithLabelValues("failed").Inc()
	default: // sent
		p.metrics.cancels.WithLabelValues("sent").Inc()
	}
}

// force ends a session at a stop: its server connection is closed under it if it works, and it is woken if it waits.
func (s *Session) force() {
	if t := s.tunnel.Load(); t != nil {
		t.force()
		return
	}
	s.mu.Lock()
	if s.mu.conn != nil && s.mu.busy {
		_ = s.mu.conn.Wire.Close()
	}
	if s.mu.waiting != nil {
		s.mu.waiting(errCanceled)
	}
	s.mu.Unlock()
	s.wake(wakeShutdown)
}
