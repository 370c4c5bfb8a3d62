package proxy

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// note takes down what the request's statements may do, before they are sent.
func (s *Session) note() {
	for i, f := range s.req.facts {
		n := s.req.names[i]
		for j := range f.Statements {
			s.noteStatement(&f.Statements[j], f)
		}
		s.noteCode(f, n)
		s.notePins(f, n)
		if f != unknownStatement {
			s.changes(s.p.policy.Invalidates(f, n, s.database)...)
		} else {
			s.changes(s.p.wholeDatabase(s.database))
		}
	}
	s.noteFunctionCalls()
}

// noteCode takes down what code that a statement runs may do beside it: functions, also of views and triggers.
func (s *Session) noteCode(f *parser.Facts, n *catalog.Resolution) {
	switch {
	case n == nil, n.Unknown != "" && !n.SetsState && calls(f):
		s.noteUnresolved(f)
	case n.SetsState:
		s.effects |= effSuspect
		if st := f.Single(); st != nil && st.Kind == parser.Do {
			return // noteStatement has looked into it
		}
		if n.Unlisted && !s.noteSetConfig(f) {
			s.unseen()
		}
	case n.WritesUnknown != "":
		s.effects |= effSuspect
	}
}

// noteUnresolved is for names that the catalog does not know, or not yet: any relation may be a view or have triggers.
func (s *Session) noteUnresolved(f *parser.Facts) {
	for i := range f.Statements {
		st := &f.Statements[i]
		if len(st.Functions) == 0 {
			if len(st.Reads) > 0 || len(st.Writes) > 0 {
				s.effects |= effSuspect
				s.leaveUnjudged(f, false)
			}
			continue
		}
		if !cachepolicy.Harmless(st.Functions) || len(st.Reads) > 0 || len(st.Writes) > 0 {
			s.effects |= effSuspect
		}
		switch {
		case s.noteSetConfig(f) || quiet(st.Functions):
			if len(st.Reads) > 0 || len(st.Writes) > 0 {
				s.leaveUnjudged(f, false)
			}
		case s.pathUnsure || s.req.moved:
			s.unseen()
		default:
			s.leaveUnjudged(f, true)
		}
	}
}

// unseen: what the server does not list, and search_path as well, may have been set.
func (s *Session) unseen() {
	s.effects |= effSuspect | effUnseen
	s.pathUnsure = true
}

// changesMost is how many tables a transaction may have changed before they are taken for all of the database.
const changesMost = 100

// changes takes down what the open transaction changes.
func (s *Session) changes(tables ...cachepolicy.Table) {
	for _, t := range tables {
		if !slices.Contains(s.written, t) {
			s.written = append(s.written, t)
		}
	}
	if len(s.written) > changesMost {
		everything := slices.Contains(s.written, cachepolicy.Everything)
		s.written = append(s.written[:0], s.p.wholeDatabase(s.database))
		if everything {
			s.written = append(s.written, cachepolicy.Everything)
		}
	}
}

// noteFunctionCalls is for the fast-path interface, which names functions by their oid. Those of large objects, for which
// it is made, leave nothing behind a transaction.
func (s *Session) noteFunctionCalls() {
	for i := range s.req.frames {
		f := &s.req.frames[i]
		if f.typ != 'F' || largeObject(s.req.body(f)) {
			continue
		}
		s.unseen()
		s.changes(s.p.wholeDatabase(s.database))
	}
}

// largeObject recognises the functions that libpq's large object interface calls (pg_proc.dat).
func largeObject(call []byte) bool {
	if len(call) < 4 {
		return false
	}
	switch binary.BigEndian.Uint32(call) {
	case 715, 764, 767, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172:
		return true
	}
	return false
}

func (s *Session) notePins(f *parser.Facts, n *catalog.Resolution) {
	switch pinsOf(f, n) {
	case "advisory_lock":
		s.effects |= effSuspect
	case "setseed":
		s.setPin(pinSeed)
	case "sequence":
		s.setPin(pinSequence)
		s.p.currvals.learn(s.currvalUser())
	case "backend_pid":
		if tellsPID(f) {
			s.setPin(pinBackendPID)
		}
	}
}

// pinsOf is catalog.Resolution.Pins. While the catalog is not known, a function by such a name is taken for the built-in one.
func pinsOf(f *parser.Facts, n *catalog.Resolution) string {
	if n != nil {
		return n.Pins
	}
	for i := range f.Statements {
		for _, name := range f.Statements[i].Functions {
			switch {
			case name.Name == "currval", name.Name == "lastval":
				return "sequence"
			case name.Name == "setseed":
				return "setseed"
			case name.Name == "pg_backend_pid":
				return "backend_pid"
			case strings.HasPrefix(name.Name, "pg_advisory_"), strings.HasPrefix(name.Name, "pg_try_advisory_"):
				return "advisory_lock"
			}
		}
	}
	return ""
}

// noteSetConfig recognises direct calls of set_config, whose effect the server lists or whose name the text tells, and of
// the functions for advisory locks. It is false where something else may set state.
func (s *Session) noteSetConfig(f *parser.Facts) bool {
	direct := false
	for i := range f.Statements {
		for _, c := range f.Statements[i].Configs {
			switch {
			case c.Name == "":
				return false
			case !c.Local:
				s.touch(c.Name)
			case movesNames(c.Name):
				s.pathUnsure = true
			case s.begets(c.Name):
				s.touch(c.Name)
			}
		}
		for _, name := range f.Statements[i].Functions {
			switch {
			case accountedFor(name):
				direct = true
			case !quiet([]parser.Name{name}):
				return false
			}
		}
	}
	return direct
}

// accountedFor are the functions for which the server can be asked what they did.
func accountedFor(f parser.Name) bool {
	if f.Schema != "" && f.Schema != "pg_catalog" {
		return false
	}
	return f.Name == "set_config" || f.Name == "setseed" || strings.HasPrefix(f.Name, "pg_advisory_") ||
		strings.HasPrefix(f.Name, "pg_try_advisory_")
}

// movesNames reports whether names may mean something else under another value of a setting: "$user" is a schema, too.
func movesNames(setting string) bool {
	switch strings.ToLower(setting) {
	case "search_path", "role", "session_authorization":
		return true
	}
	return false
}

// begets reports whether setting it for a transaction makes a custom setting that the session did not have. It stays, empty,
// whatever becomes of the transaction.
func (s *Session) begets(name string) bool {
	if !strings.Contains(name, ".") {
		return false
	}
	_, had := s.settings.Get(name)
	return !had
}

func (s *Session) touch(name string) {
	name = strings.ToLower(name)
	switch name {
	case "seed":
		s.setPin(pinSeed)
		return
	case "transaction_isolation", "transaction_read_only", "transaction_deferrable":
		return // of a transaction, whatever the form in which they are set
	}
	s.effects |= effSettings
	if movesNames(name) {
		s.pathUnsure = true
	}
	if name == "session_authorization" && !slices.Contains(s.touched, "role") {
		s.touched = append(s.touched, "role") // which it undoes
	}
	if !slices.Contains(s.touched, name) {
		s.touched = append(s.touched, name)
	}
}

func (s *Session) noteStatement(st *parser.Statement, f *parser.Facts) {
	switch st.Kind {
	case parser.Set, parser.Reset:
		s.noteSetting(st, f)
	case parser.Opaque, parser.Do, parser.Call, parser.Execute:
		s.effects |= effSuspect
		s.ddl = s.ddl || st.Kind == parser.Opaque || st.Kind == parser.Do && mentionsSchema(s.textOf(f))
		if st.Kind == parser.Do && mentionsLogins(s.textOf(f)) {
			s.relogins = append(s.relogins, &parser.Relogin{AnyRole: true, Settings: true})
		}
		if st.Kind == parser.Do && !mentionsState(s.textOf(f)) {
			return
		}
		if st.Kind != parser.Execute && f.Reason != "syntax" {
			s.effects |= effUnseen
		}
	case parser.Prepare, parser.Listen, parser.Unlisten, parser.CloseCursor:
		s.effects |= effSuspect
	case parser.Deallocate:
		s.effects |= effSuspect
	case parser.Discard:
		s.noteDiscard(st)
	case parser.Declare:
		if st.Hold {
			s.effects |= effSuspect
		}
	case parser.Load:
		s.setPin(pinLibrary)
	case parser.CommitPrepared:
		s.ddl = true // perhaps: it was another session's transaction
	case parser.DDL:
		s.ddl = true
		if st.Relogin != nil {
			s.relogins = append(s.relogins, st.Relogin)
		}
		s.effects |= effSuspect // DROP may end a pin; CREATE without TEMP may still make a temporary object (search_path)
	case parser.Maintenance, parser.Truncate: // neither changes what names mean
	case parser.Empty, parser.Select, parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.CopyFrom, parser.CopyTo,
		parser.Begin, parser.Commit, parser.Rollback, parser.Savepoint, parser.ReleaseSavepoint, parser.RollbackToSavepoint,
		parser.PrepareTransaction, parser.RollbackPrepared, parser.Show, parser.SetConstraints,
		parser.Explain, parser.Fetch, parser.Notify, parser.Lock:
		if st.Into {
			s.ddl = true
		}
		if st.Temp {
			s.effects |= effSuspect
		}
	}
}

// stateWords are what code has to say to change a session's state.
var stateWords = regexp.MustCompile(`(?i)\b(set_config|set|reset|execute|call|perform|select)\b`)

// Where PL/pgSQL has an expression, and what a call in it looks like.
var (
	expressionWords = regexp.MustCompile(`(?i)=|\b(default|if|elsif|elseif|while|for|foreach|case|when|exit|continue|return|assert|raise|insert|update|delete|merge)\b`)
	callLike        = regexp.MustCompile(`[\w"$]\s*\(`)
)

func mentionsState(text []byte) bool {
	return stateWords.Match(text) || expressionWords.Match(text) && callLike.Match(text)
}

// schemaWords are what code has to say to change the schema, also in a text that it puts together.
var schemaWords = regexp.MustCompile(`(?i)(create|alter|drop|grant|revoke|execute|call|perform)`)

func mentionsSchema(text []byte) bool { return schemaWords.Match(text) }

// loginWords are what code has to say to change what a login comes out as, unless it puts the words together.
var loginWords = regexp.MustCompile(`(?i)\b(alter|drop)\s+(role|user|database)\b`)

func mentionsLogins(text []byte) bool { return loginWords.Match(text) }

// textOf is the text of the request's statement, for a second look at what the parser does not look into.
func (s *Session) textOf(f *parser.Facts) []byte {
	for i := range s.req.frames {
		fr := &s.req.frames[i]
		if fr.typ == 'Q' {
			return s.req.body(fr)
		}
		if fr.stmt != nil && fr.stmt.facts == f {
			return bytesOf(fr.stmt.text)
		}
	}
	return nil
}

func (s *Session) noteSetting(st *parser.Statement, f *parser.Facts) {
	set := st.Setting
	switch {
	case set != nil && set.Local && s.begets(set.Name):
		s.touch(set.Name)
	case set == nil || set.Local && !movesNames(set.Name):
	case set.Local:
		s.pathUnsure = true
	case set.All:
		s.effects |= effReset | effSuspect
		s.pathUnsure = true
	case set.Name == "transaction":
	case set.Name == "characteristics":
		s.touch("default_transaction_isolation")
		s.touch("default_transaction_read_only")
		s.touch("default_transaction_deferrable")
	default:
		s.touch(set.Name)
		if set.Default && s.status() == 'I' && s.rebased(f) == nil {
			s.resets = append(s.resets, strings.ToLower(set.Name))
		}
	}
}

// noteDiscard: PLANS keeps prepared statements, SEQUENCES concerns currval, TEMP is asked for.
func (s *Session) noteDiscard(st *parser.Statement) {
	s.effects |= effSuspect
	if st.Object == "all" {
		s.effects |= effReset
		s.pathUnsure = true
	}
}

// carriedOut looks at the tag of a finished statement for what must not be concluded from its text: it might have failed.
func (s *Session) carriedOut(body []byte) {
	tag, err := pgwire.DecodeCommandComplete(body)
	if err != nil {
		return
	}
	switch string(tag) {
	case "COMMIT":
		s.committed()
	case "DEALLOCATE ALL":
		s.plansGone()
	case "DISCARD ALL":
		s.plansGone()
		s.effects |= effDiscarded
	case "DISCARD SEQUENCES":
		s.effects |= effSequences
	}
}

// committed makes results void when others see the changes already, although the request goes on: COMMIT AND CHAIN, or
// COMMIT with more behind it. What comes next was taken down together with what is committed, so nothing is forgotten.
func (s *Session) committed() {
	next := s.conn.Reader.Buffered()
	if len(next) > pgwire.HeaderSize && next[0] == 'Z' && next[pgwire.HeaderSize] == 'I' || len(s.written) == 0 && !s.ddl {
		return // beforeReady does it
	}
	written, ddl, relogins := slices.Clone(s.written), s.ddl, s.relogins
	s.invalidate()
	s.written, s.ddl, s.relogins = written, ddl, relogins
}
