package proxy

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/router"
)

// currvals knows which applications ask for currval() or lastval(). Their sessions keep the connection on which they may have
// advanced a sequence for a moment, in which the question usually comes; the others, nearly all, do not pay for it.
type currvals struct {
	some atomic.Bool // there are any
	mu   struct {
		sync.RWMutex
		who map[currvalUser]struct{}
	}
}

type currvalUser struct{ database, user, application string }

// currvalLimit bounds how many are remembered.
const currvalLimit = 10_000

func (s *Session) currvalUser() currvalUser {
	return currvalUser{s.database, s.user, s.derived.application}
}

// learn notes that the session's application asks for what a sequence gave it.
func (c *currvals) learn(u currvalUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.who == nil || len(c.mu.who) >= currvalLimit {
		c.mu.who = make(map[currvalUser]struct{})
	}
	c.mu.who[u] = struct{}{}
	c.some.Store(true)
}

// has reports whether the session's application does that.
func (c *currvals) has(s *Session) bool {
	if !c.some.Load() {
		return false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.mu.who[s.currvalUser()]
	return ok
}

// lingerTicks is how long a connection is kept for a question about a sequence, in ticks of the watcher.
const lingerTicks = 5

// linger keeps the connection of a session that may have advanced a sequence and may be about to ask for its value, and ends
// that when its time is over.
func (s *Session) linger() {
	if s.target != router.Primary || !s.p.currvals.has(s) {
		return
	}
	switch now := s.p.ticks.Load(); {
	case s.advances() && (s.pins == 0 || s.lingers) && !s.plainRead():
		s.setPin(pinSequence)
		s.lingers, s.advanced = true, now
		s.mu.Lock()
		s.mu.lingers = now
		s.mu.Unlock()
	case s.lingers && now-s.advanced > lingerTicks:
		s.moveOn()
	}
}

// advancing are the kinds of statements that may advance a sequence without a function that their text names: by a column's
// default, or in code.
var advancing = []parser.Kind{parser.Insert, parser.Merge, parser.CopyFrom, parser.Call, parser.Do, parser.Execute, parser.Opaque}

// advances reports whether the request may have advanced a sequence.
func (s *Session) advances() bool {
	for _, f := range s.req.facts {
		for i := range f.Statements {
			st := &f.Statements[i]
			if slices.Contains(advancing, st.Kind) || len(st.Functions) > 0 {
				return true
			}
		}
	}
	return false
}

// moveOn ends the lingering.
func (s *Session) moveOn() {
	if !s.lingers {
		return
	}
	s.lingers = false
	s.mu.Lock()
	s.mu.lingers = 0
	s.mu.Unlock()
	s.unpin(1 << pinSequence)
}

// askedSequence ends the lingering as the question has come: the connection is kept from now on.
func (s *Session) askedSequence() {
	if s.lingers && s.asks() == asksSequence {
		s.lingers = false
	}
}

// lingeredLong gives the connection back when no question came.
func (s *Session) lingeredLong() {
	if !s.lingers || s.conn == nil || !s.led.idle() {
		return // the end of the transaction looks after it
	}
	s.moveOn()
	if s.pins == 0 {
		s.release(true)
	}
}
