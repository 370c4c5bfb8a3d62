package proxy

import (
	"encoding/binary"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// statement is one text with its parameter types: what a Parse message prepares. Equal ones are shared by all sessions.
type statement struct {
	id    uint64 // names the statement towards backend.Prepared
	text  string
	types string // parameter type oids, four bytes each
	facts *parser.Facts
	valid atomic.Pointer[validity]      // the last time that a server accepted it
	shape atomic.Pointer[backend.Shape] // the last one learnt: equal ones are shared
}

// validity says for whom, and under which schema, a server accepted a Parse.
type validity struct {
	database, role, searchPath string
	generation                 uint64
	at                         time.Time
	shape                      *backend.Shape // nil while it is not known
}

// validFor is how long an accepted Parse counts for other sessions, if no DDL came by: a schema changed around aioproxy is
// noticed after it. PostgreSQL judges the statement anew at Bind in any case.
const validFor = 10 * time.Second

// accepted notes that a server took the session's Parse of this statement.
func (s *Session) accepted(p *prepared) {
	v := p.stmt.valid.Load()
	if v != nil && s.sameValidity(v) && time.Since(v.at) < validFor/2 {
		return
	}
	p.stmt.valid.Store(&validity{
		database: s.database, role: s.roleName(), searchPath: s.searchPath, generation: p.parsed, at: time.Now(), shape: p.shape,
	})
}

// acceptedShape adds the shape, which is learnt later.
func (s *Session) acceptedShape(p *prepared) {
	v := p.stmt.valid.Load()
	if v == nil || v.shape == p.shape || v.generation != p.parsed || !s.sameValidity(v) {
		return
	}
	known := *v
	known.shape = p.shape
	p.stmt.valid.Store(&known)
}

func (s *Session) sameValidity(v *validity) bool {
	return v.database == s.database && v.searchPath == s.searchPath && v.role == s.roleName() && v.generation == s.p.generation.Load()
}

// parseNeedsNoServer reports whether a Parse can be answered without waiting for a server connection: transaction control is
// not analysed before it runs, and another session's Parse of the same text was accepted moments ago. Clients that prepare
// synchronously while others of them hold all connections would otherwise wait for themselves.
func (s *Session) parseNeedsNoServer(f *frame) bool {
	m, err := pgwire.DecodeParse(s.req.body(f))
	if err != nil || len(m.Name) > 0 && s.names.get(m.Name) != nil {
		return false
	}
	if st := f.stmt.facts.Single(); st != nil && len(m.OIDs) == 0 && transactionControl(st.Kind) {
		return true
	}
	v := f.stmt.valid.Load()
	return v != nil && !s.pathUnsure && s.sameValidity(v) && time.Since(v.at) < validFor
}

func transactionControl(k parser.Kind) bool {
	return k == parser.Begin || k == parser.Commit || k == parser.Rollback
}

// interned is the set of statements that sessions or server connections refer to, held weakly.
type interned struct {
	next atomic.Uint64
	mu   struct {
		sync.Mutex
		byKey map[string]weak.Pointer[statement] // lexing, length of the types, types, text
	}
}

// intern returns the statement for a Parse message. text and types are copied if they are new.
func (in *interned) intern(key *[]byte, text, types []byte, lexing byte, facts func([]byte) *parser.Facts) *statement {
	*key = binary.AppendUvarint(append((*key)[:0], lexing), uint64(len(types)))
	head := len(*key)
	*key = append(append(*key, types...), text...)
	in.mu.Lock()
	if st := in.mu.byKey[string(*key)].Value(); st != nil {
		in.mu.Unlock()
		return st
	}
	in.mu.Unlock()
	f := facts(text) // may parse: not under the lock
	in.mu.Lock()
	defer in.mu.Unlock()
	if st := in.mu.byKey[string(*key)].Value(); st != nil {
		return st
	}
	k := string(*key)
	st := &statement{id: in.next.Add(1), text: k[head+len(types):], types: k[head : head+len(types)], facts: f}
	if in.mu.byKey == nil {
		in.mu.byKey = make(map[string]weak.Pointer[statement])
	}
	in.mu.byKey[k] = weak.Make(st)
	runtime.AddCleanup(st, in.forget, k)
	return st
}

func (in *interned) forget(key string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.mu.byKey[key].Value() == nil {
		delete(in.mu.byKey, key)
	}
}

// prepared is what one name of one session means.
type prepared struct {
	stmt   *statement
	parsed uint64         // the server's schema generation when the client sent Parse; an older preparation on a server is made anew
	path   string         // search_path then
	shape  *backend.Shape // as the server described it then; nil while that is not known
	usable usability      // the last time that it was seen to return that still
	// believed: no server saw the client's Parse.
	believed bool
	own      uint64 // the lease in which the server has it under the client's own name; see ownNames
	// ghost: what is there under that name may have another shape. It can be listed and dropped, but not used.
	ghost  bool
	onlyOn string // an unnamed one whose text is too long to keep: the name that it has on the server connection instead
	large  bool   // its text was too long to keep: it is on one server connection alone
	// doubtful: SQL may have dropped it, or given the name to something else.
	doubtful bool
}

// usability says when a server could use a statement as its client knows it.
type usability struct {
	generation uint64
	path       string
}

// names is the statement name space of one session, as PostgreSQL keeps it per backend.
type names struct {
	unnamed *prepared
	named   map[string]*prepared
}

func (n *names) get(name []byte) *prepared {
	if len(name) == 0 {
		return n.unnamed
	}
	return n.named[string(name)]
}

func (n *names) set(name string, p *prepared) {
	switch {
	case name == "":
		n.unnamed = p
	case p == nil:
		delete(n.named, name)
	default:
		if n.named == nil {
			n.named = make(map[string]*prepared)
		}
		n.named[name] = p
	}
}

// nameOf is the name that stands for p, for an error message.
func (n *names) nameOf(p *prepared) string {
	for name, q := range n.named {
		if q == p {
			return name
		}
	}
	return ""
}

// large reports whether there is a statement that only one server connection has.
func (n *names) large() bool {
	if n.unnamed != nil && n.unnamed.large {
		return true
	}
	for _, p := range n.named {
		if p.large {
			return true
		}
	}
	return false
}

// undoKind says what becomes of a name when the server ignores or refuses the message that changed it.
type undoKind uint8

const (
	undoNothing  undoKind = iota
	undoName              // the name means what it meant before
	undoUnnamed           // a refused Parse of the unnamed statement leaves none (exec_parse_message drops it first)
	undoInjected          // our own Parse ahead of a Bind: the server does not have the statement
	undoOwn               // the same, under the client's name
	undoClose             // our Close: the server still has the statement
)

// serverNames gives every Parse a name of its own, so that a name never has to be free before it can be used.
type serverNames struct {
	prefix string // random per process: a client cannot name what another one prepared
	next   atomic.Uint64
}

const hexDigits = "0123456789abcdef"

func (s *serverNames) fresh() string {
	var b strings.Builder
	b.Grow(len(s.prefix) + 16)
	b.WriteString(s.prefix)
	for n := s.next.Add(1); n > 0; n >>= 4 {
		b.WriteByte(hexDigits[n&15])
	}
	return b.String()
}

// bytesOf views a string as bytes that must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
