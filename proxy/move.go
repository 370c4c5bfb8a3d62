package proxy

import (
	"context"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// A read-only transaction runs on a replica, and a session may have left something behind there that pins it. PostgreSQL
// allows more in a read-only transaction than a hot standby does (LISTEN, advisory locks that others must see, a transaction
// id, settings that outlive it), and refuses the rest in other words. So what is not a plain read is for the primary.

// plainRead reports whether a replica may answer the request.
func (s *Session) plainRead() bool { return s.p.router.Route(s.routerInput()).Read }

// ends reports whether the request does nothing but end the transaction.
func (s *Session) ends() bool {
	for _, f := range s.req.facts {
		st := f.Single()
		if st == nil || st.Kind != parser.Commit && st.Kind != parser.Rollback || st.Tx != nil && st.Tx.Chain {
			return false
		}
	}
	return len(s.req.facts) > 0
}

// placed is where a transaction goes that is begun together with this request.
func (s *Session) placed(dec router.Decision) router.Decision {
	if dec.Target == router.Replica && !s.plainRead() && s.p.cluster.Snapshot().PrimaryIndex >= 0 {
		dec.Target = router.Primary
	}
	return dec
}

// leavesReplica gives up a replica's connection where the request is not for a replica; the caller then carries it out
// elsewhere. In a transaction that is possible if each of its statements sees what is committed by then, and it has only read:
// it begins again on the primary. Between transactions, what pins the session to the replica is given up: it could not write
// any more.
func (s *Session) leavesReplica(ctx context.Context) (bool, error) {
	if s.target != router.Replica || !s.led.empty() || s.led.unsynced || s.led.copyIn || s.led.skipping || len(s.req.facts) == 0 {
		return false, nil
	}
	switch s.led.status {
	case 'I':
		if s.plainRead() {
			return false, nil
		}
		s.release(false)
		return true, nil
	case 'T':
		if s.ends() || !s.movable() || s.plainRead() || s.setsTransaction() {
			return false, nil
		}
		if _, err := s.ask("ROLLBACK"); err != nil || s.led.status != 'I' {
			return false, err
		}
		s.release(true)
		s.begun.active = true
		s.begun.dec.Target = router.Primary
		return true, nil
	}
	return false, nil
}

// setsTransaction recognises SET TRANSACTION: behind a query PostgreSQL refuses to make the transaction another one, and a replica
// does so in the same words; a transaction begun anew would not know of the query.
func (s *Session) setsTransaction() bool {
	for _, f := range s.req.facts {
		if st := f.Single(); st != nil && st.Kind == parser.Set && st.Setting != nil && st.Setting.Name == "transaction" {
			return true
		}
	}
	return false
}

// portalsLeft reports whether the request may leave portals that a later one goes on with.
func (q *request) portalsLeft() bool {
	executes := 0
	for i := range q.frames {
		f := &q.frames[i]
		switch f.typ {
		case 'B':
			if m, err := pgwire.DecodeBind(q.body(f)); err != nil || len(m.Portal) > 0 {
				return true
			}
		case 'E':
			executes++
			if _, rows, err := pgwire.DecodeExecute(q.body(f)); err != nil || rows != 0 {
				return true
			}
		}
	}
	return q.binds != executes
}

// movable reports whether the open transaction, begun by the statement last put off, has left nothing on its server but a
// snapshot that the next statement would not use.
func (s *Session) movable() bool {
	if !s.begun.sent || s.begun.portals || s.pins != 0 || s.effects != 0 {
		return false
	}
	isolation, ok := s.settings.Get("default_transaction_isolation")
	if !ok {
		isolation = s.defaults.isolation
	}
	text := strings.ToLower(s.begun.stmt.text)
	if strings.Contains(text, "isolation") {
		isolation = text
	}
	return !slices.ContainsFunc([]string{"repeatable", "serializable"}, func(word string) bool {
		return strings.Contains(strings.ToLower(isolation), word)
	})
}
