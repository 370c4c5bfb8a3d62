package proxy

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/router"
)

// derived is what the judges need to know of a session's settings, worked out when they change.
type derived struct {
	override     router.Override
	role         string // set with SET ROLE, or the session authorization; empty for the login role
	application  string
	readOnly     string        // default_transaction_read_only as set; empty for the server's default
	serializable bool          // default_transaction_isolation as set
	idleTimeout  bool          // idle_session_timeout is set: the server shall see the session's pauses
	lexing       parser.Lexing // how PostgreSQL reads the session's texts
	digests      [3]settingsDigest
	overlay      overlay // the last one made
}

// settingsDigest covers all settings that may change the bytes of a result, and the consistency it was read with.
type settingsDigest [sha256.Size]byte

// overlay is a session's settings with those of a class on top.
type overlay struct {
	first   *router.Setting
	timeout time.Duration
	set     *backend.Settings
}

// defaults is what a server has for a role and database by itself.
type defaults struct {
	searchPath string
	readOnly   bool
	isolation  string
}

// setSettings makes set the session's settings.
func (s *Session) setSettings(set *backend.Settings) {
	if s.settings == set {
		return
	}
	s.settings = set
	s.shown.Store(set)
	d := derived{}
	get := func(name string) string {
		v, _ := set.Get(name)
		return v
	}
	d.override = router.Override{
		Route: get("aioproxy.route"), Cache: get("aioproxy.cache"), Consistency: get("aioproxy.consistency"),
	}
	if d.role = get("role"); d.role == "" {
		d.role = get("session_authorization")
	}
	d.application = get("application_name")
	d.readOnly = get("default_transaction_read_only")
	isolation := get("default_transaction_isolation")
	if isolation == "" {
		isolation = s.defaults.isolation
	}
	d.serializable = strings.EqualFold(isolation, "serializable")
	idle := get("idle_session_timeout")
	d.idleTimeout = idle != "" && idle != "0"
	d.digests = digestsOf(set)
	d.lexing = lexingOf(get("standard_conforming_strings"), get("client_encoding"))
	s.derived = d
	s.searchPath = s.defaults.searchPath
	if p, ok := set.Get("search_path"); ok {
		s.searchPath = p
	}
}

// lexingOf: with standard_conforming_strings off a backslash escapes in plain strings, and in some client encodings a
// character may end in what looks like a quote or a backslash.
func lexingOf(conforming, encoding string) parser.Lexing {
	var l parser.Lexing
	switch strings.ToLower(conforming) {
	case "off", "false", "no", "0":
		l |= parser.BackslashStrings
	}
	switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToUpper(encoding)) {
	case "BIG5", "WIN950", "WINDOWS950", "GB18030", "GBK", "WIN936", "WINDOWS936", "JOHAB", "SJIS", "MSKANJI", "SHIFTJIS", "WIN932",
		"WINDOWS932", "SHIFTJIS2004", "UHC", "WIN949", "WINDOWS949":
		l |= parser.UnsafeEncoding
	}
	return l
}

// lexing is how the server reads what the session sends next. What the open transaction has set, its server has reported.
func (s *Session) lexing() parser.Lexing {
	if s.conn == nil {
		return s.derived.lexing
	}
	conforming, _ := s.conn.Status.Get("standard_conforming_strings")
	encoding, _ := s.conn.Status.Get("client_encoding")
	if conforming == "on" && (encoding == "UTF8" || encoding == "SQL_ASCII") {
		return s.derived.lexing
	}
	return s.derived.lexing | lexingOf(conforming, encoding)
}

// digestsOf hashes every setting but those that cannot change what a query returns. A result read under one consistency
// is not given to a session that asks for another: it may be older.
func digestsOf(set *backend.Settings) (out [3]settingsDigest) {
	var b []byte
	set.Each(func(name, value string) {
		if changesResults(name) {
			b = append(append(append(append(b, name...), 0), value...), 0)
		}
	})
	for i := range out {
		out[i] = sha256.Sum256(append(b, byte(i)))
	}
	return out
}

// changesResults errs towards yes: what is not known to be harmless is part of the key.
func changesResults(name string) bool {
	switch name {
	case "application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
		"idle_session_timeout", "client_min_messages", "transaction_timeout":
		return false
	}
	return !strings.HasPrefix(name, "aioproxy.") && !strings.HasPrefix(name, "log_") && !strings.HasPrefix(name, "tcp_")
}

// roleName is the role whose schema "$user" stands for.
func (s *Session) roleName() string {
	if s.derived.role != "" {
		return s.derived.role
	}
	return s.user
}

func (s *Session) readOnly() bool {
	switch s.derived.readOnly {
	case "on", "true", "yes", "1":
		return true
	case "":
		return s.defaults.readOnly
	}
	return false
}

// wanted is what the server connection must have for a request: the session's settings, and for a single statement at work
// those of its class that the session has not chosen itself.
func (s *Session) wanted(dec router.Decision) *backend.Settings {
	p := &dec.Policy
	if len(p.Settings) == 0 && p.QueryTimeout == 0 || s.begun.active || !s.atWork() {
		return s.settings
	}
	o := &s.derived.overlay
	var first *router.Setting
	if len(p.Settings) > 0 {
		first = &p.Settings[0]
	}
	if o.set != nil && o.first == first && o.timeout == p.QueryTimeout {
		return o.set
	}
	set := s.settings
	for _, c := range p.Settings {
		if _, chosen := s.settings.Get(c.Name); !chosen {
			set = set.With(c.Name, c.Value)
		}
	}
	if p.QueryTimeout > 0 {
		if _, chosen := s.settings.Get("statement_timeout"); !chosen {
			set = set.With("statement_timeout", strconv.FormatInt(max(1, p.QueryTimeout.Milliseconds()), 10)) // in ms
		}
	}
	*o = overlay{first: first, timeout: p.QueryTimeout, set: set}
	return set
}

// atWork reports whether the request is one statement that does work on data, the schema or storage, and not on the session
// or its transaction: what its class says can hold for it alone.
func (s *Session) atWork() bool {
	if len(s.req.facts) != 1 || !s.req.complete {
		return false
	}
	st := s.req.facts[0].Single()
	if st == nil {
		return false
	}
	switch st.Kind {
	case parser.Select, parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.CopyTo, parser.CopyFrom, parser.Explain,
		parser.DDL, parser.Truncate, parser.Maintenance:
		return true
	case parser.Opaque, parser.Empty, parser.Begin, parser.Commit, parser.Rollback, parser.Savepoint, parser.ReleaseSavepoint,
		parser.RollbackToSavepoint, parser.PrepareTransaction, parser.CommitPrepared, parser.RollbackPrepared, parser.Set,
		parser.Reset, parser.Show, parser.SetConstraints, parser.Prepare, parser.Execute, parser.Deallocate, parser.Discard,
		parser.Declare, parser.Fetch, parser.CloseCursor, parser.Listen, parser.Unlisten, parser.Notify, parser.Lock, parser.Load,
		parser.Do, parser.Call:
	}
	return false
}
