package proxy

import (
	"slices"
	"strings"
	"time"
)

// pinReason says why a session keeps its server connection between transactions. It is a metric label.
type pinReason uint8

const (
	pinTemporary pinReason = iota
	pinAdvisoryLock
	pinCursor
	pinListen
	pinPrepare
	pinStatement // a prepared statement too large to be kept
	pinUnseen    // state that the server does not list
	pinSeed
	pinLibrary
	pinSequence
	pinReplication // nobody else ever has this connection
	pinBackendPID  // the client knows the process id of its server
	pinIdleTimeout // idle_session_timeout: the server shall end the session
	pinReasons
)

var pinNames = [pinReasons]string{
	"temporary_table", "advisory_lock", "with_hold_cursor", "listen", "sql_prepare", "large_statement",
	"unseen_state", "setseed", "load",
	"sequence", "replication", "backend_pid", "idle_session_timeout",
}

func (r pinReason) String() string { return pinNames[r] }

// pinSet is the set of reasons for which a session is pinned now; zero: it is not.
type pinSet uint32

func (p pinSet) has(r pinReason) bool { return p&(1<<r) != 0 }

// stickyPins have no question that PostgreSQL could answer; they end with DISCARD ALL or the session.
const stickyPins pinSet = 1<<pinStatement | 1<<pinUnseen | 1<<pinSeed | 1<<pinLibrary | 1<<pinSequence | 1<<pinBackendPID

func (p pinSet) String() string {
	var names []string
	for r := range pinReasons {
		if p.has(r) {
			names = append(names, r.String())
		}
	}
	return strings.Join(names, ", ")
}

// heldPin is one reason of a session's for the console.
type heldPin struct {
	reason pinReason
	since  time.Time
}

// setPin adds a reason.
func (s *Session) setPin(r pinReason) {
	if s.pins.has(r) {
		return
	}
	s.pins |= 1 << r
	s.p.metrics.pinBegan(r)
	if !s.keeper {
		s.keeper = true
		s.p.metrics.keepers.Inc()
	}
	s.mu.Lock()
	s.mu.pins = append(s.mu.pins, heldPin{r, time.Now()})
	s.mu.Unlock()
}

// unpin ends those of these reasons that hold.
func (s *Session) unpin(reasons pinSet) {
	if reasons &= s.pins; reasons == 0 {
		return
	}
	s.pins &^= reasons
	for r := range pinReasons {
		if reasons.has(r) {
			s.p.metrics.pinEnded(r)
		}
	}
	s.mu.Lock()
	s.mu.pins = slices.DeleteFunc(s.mu.pins, func(h heldPin) bool { return reasons.has(h.reason) })
	s.mu.Unlock()
}

// unpinAll is for when the connection is given up.
func (s *Session) unpinAll() { s.unpin(^pinSet(0)) }

// pinTimeout keeps the connection of a session that wants to be ended when it is idle for too long.
func (s *Session) pinTimeout() {
	if s.derived.idleTimeout {
		s.setPin(pinIdleTimeout)
	} else if s.pins.has(pinIdleTimeout) {
		s.unpin(1 << pinIdleTimeout)
	}
}
