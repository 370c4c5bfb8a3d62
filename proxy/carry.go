package proxy

import (
	"crypto/sha256"
	"sync"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// prepareServer puts the change of settings in front that makes the server connection the session's.
func (s *Session) prepareServer() error {
	if s.led.status != 'I' || !s.led.idle() {
		return nil
	}
	want, c := s.want, s.conn
	if c.Applied == want {
		return nil
	}
	s.out = backend.AppendChange(s.out, c.Applied, want)
	s.led.sent(owed{kind: owedQuery, action: swallow})
	c.Unnamed = 0 // a simple query drops the unnamed statement
	together := !privileged(c.Applied) && !privileged(want) && s.p.proven.has(s, want)
	c.Applied = want
	if together {
		return nil
	}
	// The statement must not run if the settings could not be taken: a round trip of its own.
	out := s.out
	s.out = s.out[:0]
	if err := s.writeServer(out); err != nil {
		return err
	}
	if err := s.relay(); err != nil {
		return err
	}
	s.p.proven.add(s, want)
	return nil
}

// proven remembers which sets of settings a server has taken for a role and database: those may be sent ahead of a statement
// in the same write, as they will not fail.
type proven struct {
	mu struct {
		sync.RWMutex
		sets map[provenSet]struct{}
	}
}

type provenSet struct {
	database, user string
	digest         [sha256.Size]byte
}

// provenLimit bounds how many are remembered.
const provenLimit = 10_000

func (p *proven) has(s *Session, set *backend.Settings) bool {
	if set == backend.Empty {
		return true
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, ok := p.mu.sets[provenSet{s.database, s.user, [sha256.Size]byte(set.Digest())}]
	return ok
}

func (p *proven) add(s *Session, set *backend.Settings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.sets == nil || len(p.mu.sets) >= provenLimit {
		p.mu.sets = make(map[provenSet]struct{})
	}
	p.mu.sets[provenSet{s.database, s.user, [sha256.Size]byte(set.Digest())}] = struct{}{}
}

// forget drops what was proven, for DDL may have taken it away: a role's rights, a text search configuration.
func (p *proven) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.sets = nil
}

// forgetSequences keeps currval and lastval from telling what another session got from nextval: they fail as in a session
// that has not called it, and from then on the connection is kept.
func (s *Session) forgetSequences() {
	if !s.stranger || s.led.status == 'E' || s.led.unsynced {
		return // a failed transaction answers nothing; among messages without a Sync a Query would end what they began
	}
	// Behind what it advanced itself a session's question could not be kept apart from what others did; so before that.
	advances := s.advances()
	if s.asksSequence() || (advances || s.advancesUnseen()) && s.target == router.Primary && s.p.currvals.has(s) {
		s.takeSequences()
		s.led.sent(owed{kind: owedQuery, action: swallow})
		s.out = pgwire.AppendQuery(s.out, "DISCARD SEQUENCES")
		s.conn.Unnamed = 0
	} else if advances {
		s.takeSequences()
	}
}

// takeSequences: what currval and lastval tell on the connection is this session's from now on.
func (s *Session) takeSequences() { s.stranger, s.conn.Lessee = false, s.tenant.ID }

// advancesUnseen reports whether a sequence may be advanced that the request's text does not tell of: by the default of a
// column that is updated, a trigger, a view.
func (s *Session) advancesUnseen() bool {
	if s.decided.Read {
		return false
	}
	for _, f := range s.req.facts {
		for i := range f.Statements {
			if st := &f.Statements[i]; len(st.Reads) > 0 || len(st.Writes) > 0 {
				return true
			}
		}
	}
	return false
}

func (s *Session) asksSequence() bool {
	for i, f := range s.req.facts {
		if pinsOf(f, s.req.names[i]) == "sequence" {
			return true
		}
	}
	return false
}

// privileged settings decide as whom a statement runs.
func privileged(set *backend.Settings) bool {
	_, role := set.Get("role")
	_, auth := set.Get("session_authorization")
	return role || auth
}

// ownFailure handles an error that the server raised about a statement of ours.
func (s *Session) ownFailure(head *owed, raw []byte, code string) error {
	if s.ownRefused(head, raw) {
		return nil
	}
	if head.begin {
		body := append([]byte(nil), raw[pgwire.HeaderSize:]...)
		s.release(false) // what follows was ignored
		return &failure{code: code, body: body, message: "the transaction could not begin"}
	}
	if head.kind != owedQuery {
		// An injected Parse: its error is the answer to the Bind that needed it.
		s.last.error(code)
		s.emit(raw)
		return nil
	}
	body := append([]byte(nil), raw[pgwire.HeaderSize:]...)
	s.release(false)
	return &failure{code: code, body: body, message: "the session's settings could not be carried over"}
}
