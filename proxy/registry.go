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

// add gives the session a process id and a secret; false when there are limit sessions already.
func (r *registry) add(s *Session, limit int) bool {
	var b [4]byte
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.byPID) >= limit {
		return false
	}
	for s.pid == 0 || r.mu.byPID[s.pid] != nil {
		_, _ = rand.Read(b[:]) // never fails
		s.pid = binary.BigEndian.Uint32(b[:]) & (1<<31 - 1)
	}
	_, _ = rand.Read(s.secret[:])
	r.mu.byPID[s.pid] = s
	return true
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
	s.mu.Lock()
	var ticket backend.Ticket
	if s.mu.conn != nil && s.mu.busy {
		ticket = s.mu.conn.Ticket()
	}
	if s.mu.waiting != nil {
		s.mu.waiting(errCanceled)
	}
	s.mu.Unlock()
	err := p.pools.Cancel(ctx, ticket)
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
