package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/aioproxy/aioproxy/proxy/backend"
)

// tick is how often the watcher looks at the sessions.
const tick = 50 * time.Millisecond

// longTicks is how long a session waits for its server before the watcher looks whether the client is still there.
const longTicks = int64(time.Second / tick)

// pauseTicks is how long the rest of a request is waited for before what is there is sent.
const pauseTicks = 1

// watch looks after what happens beside the sessions' goroutines: servers that speak to a session which waits for its
// client, and clients that vanish during a long statement.
func (p *Proxy) watch(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	var cancels sync.WaitGroup
	defer cancels.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := p.ticks.Add(1)
		p.mourn()
		p.keepVacant()
		p.sessions.each(func(s *Session) {
			if ticket, vanished := s.look(now); vanished {
				cancels.Go(func() { _ = p.pools.Cancel(ctx, ticket) })
			}
		})
		p.metrics.clients.Set(float64(p.sessions.count()))
	}
}

// look examines one session. vanished: its client is gone while its statement runs, which the ticket names.
func (s *Session) look(now int64) (ticket backend.Ticket, vanished bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mu.conn
	if s.mu.lingers != 0 && now-s.mu.lingers > lingerTicks {
		s.mu.lingers = 0
		s.wake(wakeLinger)
	}
	if s.mu.begun != 0 && now-s.mu.begun > beginTicks {
		s.mu.begun = 0
		s.wake(wakeBegin)
	}
	if s.mu.paused != 0 && now-s.mu.paused > pauseTicks {
		s.mu.paused = 0
		s.wake(wakePaused)
	}
	if c == nil {
		return ticket, false
	}
	switch s.mu.state {
	case stateClient:
		if now-s.mu.since > 0 && c.Wire.Readable() {
			s.mu.since = now + 1 // not again before it had a chance to read
			s.wake(wakeServer)
		}
	case stateServer:
		if waited := now - s.mu.since; waited >= longTicks && waited%longTicks == 0 && s.wire.Hungup() {
			s.p.metrics.vanished.Inc()
			return c.Ticket(), true
		}
	}
	return ticket, false
}
