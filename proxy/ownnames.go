package proxy

import (
	"regexp"
	"slices"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// SQL names prepared statements as the client does: EXECUTE, DEALLOCATE, PREPARE and pg_prepared_statements. From the first
// such statement on, and as long as the lease lasts, the session's statements go by the client's own names on its server
// connection. Those that SQL asks for and that are not there yet are parsed in front of it.
type ownNames struct {
	active  bool
	lease   uint64    // numbers the session's leases, from 1
	synced  bool      // the request under way begins behind a Sync: what is put in front may have one of its own
	refused []refusal // by the server, in front of the request under way
}

// refusal is what the server said to the Parse of a statement that SQL is about to name.
type refusal struct {
	name string
	raw  []byte // nil: that its plan has another result
}

func (o *ownNames) newLease() { *o = ownNames{lease: o.lease + 1} }

// has reports whether a statement is on the server connection under the client's name.
func (o *ownNames) has(p *prepared) bool { return o.active && p.own == o.lease }

// meetSQL puts in front of a request what its SQL may name.
func (s *Session) meetSQL() error {
	if s.led.status == 'E' || s.led.skipping {
		return nil
	}
	for _, f := range s.req.facts {
		for i := range f.Statements {
			for st := &f.Statements[i]; st != nil; st = st.Inner {
				if err := s.meetStatement(st, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Session) meetStatement(st *parser.Statement, f *parser.Facts) error {
	switch k := st.Kind; {
	case k == parser.Prepare:
		s.own.active = true
		s.doubt(st.Object)
		return s.bring(st.Object, false)
	case k == parser.Execute:
		return s.bring(st.Object, true)
	case k == parser.Deallocate:
		s.doubt(st.Object)
		return s.bring(st.Object, false)
	case listsPrepared(st), (k == parser.Opaque || k == parser.Do) && f != tooLong && mentionsPrepared(s.textOf(f)):
		return s.bringAll()
	}
	return nil
}

// preparedWords are what code has to say to see prepared statements.
var preparedWords = regexp.MustCompile(`(?i)(prepare|execute|deallocate|pg_prepared_statement)`)

func mentionsPrepared(text []byte) bool { return preparedWords.Match(text) }

func listsPrepared(st *parser.Statement) bool {
	for _, n := range st.Reads {
		if n.Name == "pg_prepared_statements" {
			return true
		}
	}
	for _, n := range st.Functions {
		if n.Name == "pg_prepared_statement" {
			return true
		}
	}
	return false
}

// bring sees to it that the server has a statement under the client's name, and can use it. What is no name of the session's
// is left to PostgreSQL to judge.
func (s *Session) bring(name string, use bool) error {
	p := s.names.get(bytesOf(name))
	if name == "" || p == nil {
		return nil
	}
	s.own.active = true
	return s.bringOwn(name, p, use)
}

// bringAll shows the server's list of statements as the client has made it: ours are closed.
func (s *Session) bringAll() error {
	s.own.active = true
	for name, ok := s.conn.Prepared.Evict(); ok; name, ok = s.conn.Prepared.Evict() {
		s.closeOn(name)
	}
	for name, p := range s.names.named {
		if err := s.bringOwn(name, p, false); err != nil {
			return err
		}
	}
	return nil
}

// bringOwn prepares a statement under the client's name if it is not there. Where the request begins behind a Sync, a Sync of
// its own keeps an error away from what comes next; the error is kept for the SQL that names the statement.
func (s *Session) bringOwn(name string, p *prepared, use bool) error {
	if s.own.has(p) && !(use && p.ghost) || p.large {
		return nil
	}
	if !s.own.synced {
		if !use {
			s.putOwn(name, p)
			return nil
		}
		on, err := s.ensureOwn(name, p)
		if on == staleName {
			s.own.refused = append(s.own.refused, refusal{name: name})
		}
		return err
	}
	if err := s.separate(); err != nil || s.led.skipping {
		return err
	}
	if !use || !s.mayDiffer(nil, p) {
		s.putOwn(name, p)
		return s.separate()
	}
	s.layGhost(name, p)
	s.checked = nil
	s.parseOwn(name, p, true)
	if err := s.separate(); err != nil {
		return err
	}
	if err := s.catchUp(); err != nil || s.checked == nil || *s.checked == *p.shape {
		return err
	}
	s.closeOn(name)
	p.own = 0
	s.own.refused = append(s.own.refused, refusal{name: name})
	return s.separate()
}

// separate ends with a Sync what was put in front so far. A BEGIN among it is awaited: if that fails, nothing may follow.
func (s *Session) separate() error {
	if !s.led.unsynced {
		return nil
	}
	if s.begun.active {
		if err := s.catchUp(); err != nil || s.led.skipping {
			return err
		}
	}
	s.led.sent(owed{kind: owedSync, action: swallow})
	s.out = pgwire.AppendSync(s.out)
	return nil
}

// ensureOwn has the server prepare a statement under the client's name in the middle of a request.
func (s *Session) ensureOwn(name string, p *prepared) (string, error) {
	if s.own.has(p) && !p.ghost || p.large {
		return "", nil
	}
	s.layGhost(name, p)
	if s.mayDiffer(nil, p) {
		made, stale, err := s.check(p, func(check bool) { s.parseOwn(name, p, check) })
		if stale {
			s.closeOn(name)
			p.own = 0
			return staleName, nil
		}
		if made || err != nil {
			return "", err
		}
	}
	s.parseOwn(name, p, false)
	return "", nil
}

func (s *Session) parseOwn(name string, p *prepared, check bool) {
	p.own = s.own.lease
	s.led.sent(owed{kind: owedParse, action: swallow, undo: undoOwn, name: name, now: p})
	s.out = pgwire.AppendParse(s.out, name, bytesOf(p.stmt.text), p.types())
	if check {
		s.describe(owed{now: p, taken: name, check: true}, name)
	}
}

// putOwn has the server know the name, where it does not matter what the statement returns.
func (s *Session) putOwn(name string, p *prepared) {
	if !s.own.has(p) && !p.large {
		s.parseOwn(name, p, false)
		p.ghost = s.mayDiffer(nil, p)
	}
}

// layGhost closes what is there under a name but cannot be used.
func (s *Session) layGhost(name string, p *prepared) {
	if s.own.has(p) && p.ghost {
		s.closeOn(name)
		p.own, p.ghost = 0, false
	}
}

// doubt: until the server is asked nobody knows whether the name means what it meant.
func (s *Session) doubt(name string) {
	if p := s.names.get(bytesOf(name)); name != "" && p != nil {
		p.doubtful = true
	}
}

// ownRefused keeps the error of a Parse that was put in front: it is what PostgreSQL says when SQL names the statement.
func (s *Session) ownRefused(head *owed, raw []byte) bool {
	if head.undo != undoOwn || s.led.empty() {
		return false
	}
	if next := s.led.front(); next.kind != owedSync || next.action != swallow {
		return false
	}
	s.own.refused = append(s.own.refused, refusal{head.name, slices.Clone(raw)})
	return true
}

// refusalOf finds the error that belongs in the place of one which says that a prepared statement does not exist.
func (s *Session) refusalOf(message string, raw []byte) []byte {
	for _, r := range s.own.refused {
		if message == `prepared statement "`+r.name+`" does not exist` {
			if r.raw == nil {
				return s.fixedResultError(raw)
			}
			return r.raw
		}
	}
	return nil
}

// deallocates answers a DEALLOCATE of a statement that only our books have under this name.
func (s *Session) deallocates() bool {
	q := &s.req
	if !q.simple || len(q.facts) != 1 || s.led.status == 'E' || s.led.unsynced {
		return false
	}
	st := q.facts[0].Single()
	if st == nil || st.Kind != parser.Deallocate || st.Object == "" {
		return false
	}
	p := s.names.get(bytesOf(st.Object))
	if p == nil || p.large || p.doubtful || s.own.has(p) {
		return false
	}
	s.names.set(st.Object, nil)
	s.names.set("", nil) // exec_simple_query drops it
	s.cout = pgwire.AppendCommandComplete(s.cout, "DEALLOCATE")
	s.cout = pgwire.AppendReadyForQuery(s.cout, s.status())
	return true
}

// plansGone: all prepared statements of the server connection were dropped, but for those that come behind it in the same
// pipeline.
func (s *Session) plansGone() {
	c := s.conn
	c.Prepared.Clear()
	c.Strays = c.Strays[:0]
	clear(s.names.named)
	if p := s.names.unnamed; p != nil && p.onlyOn != "" {
		s.names.unnamed = nil
	}
	var later []*prepared
	for i := s.led.head; i < len(s.led.queue); i++ {
		o := &s.led.queue[i]
		if !slices.Contains(later, o.prev) {
			o.prev = nil // nothing brings it back
		}
		if o.kind == owedParse && o.now != nil {
			later = append(later, o.now)
		}
		switch {
		case o.kind == owedParse && o.now != nil:
			if o.name != "" && o.undo == undoName {
				s.names.set(o.name, o.now)
			}
			if o.taken != "" {
				c.Prepared.Add(o.now.stmt.id, o.taken)
				c.Prepared.Copy(o.now.stmt.id).Mark = o.now.parsed
			}
		case o.kind == owedClose && o.undo == undoName && o.name != "":
			s.names.set(o.name, nil)
		}
	}
}

// adoptNames takes over which of its statements the session still has, after SQL may have dropped some.
func (s *Session) adoptNames(rows [][][]byte) {
	kept := map[string]bool{}
	for _, r := range rows {
		if len(r) == 2 && string(r[1]) == "f" {
			kept[string(r[0])] = true
		}
	}
	for name, p := range s.names.named {
		p.doubtful = false
		if s.own.has(p) && !kept[name] {
			delete(s.names.named, name)
		}
	}
}

// leaveOwnNames has the next lessee close what is on the connection under names of this session's client.
func (s *Session) leaveOwnNames() {
	if !s.own.active {
		return
	}
	for name, p := range s.names.named {
		if s.own.has(p) {
			s.conn.Strays = append(s.conn.Strays, name)
		}
	}
	s.own.active = false
}
