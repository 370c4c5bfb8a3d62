package backend

import (
	"encoding/binary"
	"encoding/hex"
)

// maxTargets keeps each SELECT below PostgreSQL's limit of 1664 columns (MaxTupleAttributeNumber).
const maxTargets = 1000

const (
	sessionAuthorization = "session_authorization"
	clientEncoding       = "client_encoding"
	role                 = "role"
)

// AppendChange appends the one Query frame that takes a server from one set to the other, or nothing if they are equal.
// It is answered by rows to be dropped up to ReadyForQuery. If it fails, the server still has the old set: the
// frame is one implicit transaction and set_config takes part in it.
//
// A target list is evaluated from left to right. Roles are left first, so that everything is set with the privileges
// of the user who logged in; then come resets (some settings exclude each other), then values, then
// client_encoding, session_authorization and, as it is judged by that and undone by a change of it, role.
func AppendChange(dst []byte, from, to *Settings) []byte {
	if from == to {
		return dst
	}
	w := changeWriter{dst: append(dst, 'Q', 0, 0, 0, 0), start: len(dst), from: from, to: to}
	w.leaveRoles()
	w.ordinary()
	w.differing(clientEncoding)
	w.enterRoles()
	return w.finish()
}

type changeWriter struct {
	dst      []byte
	start    int
	from, to *Settings
	targets  int
}

func (w *changeWriter) leaveRoles() {
	for _, name := range [...]string{role, sessionAuthorization} {
		if _, set := w.from.Get(name); set {
			w.reset(name)
		}
	}
}

// enterRoles does not look at from: leaveRoles has undone what was there.
func (w *changeWriter) enterRoles() {
	for _, name := range [...]string{sessionAuthorization, role} {
		if v, set := w.to.Get(name); set {
			w.set(name, v)
		}
	}
}

func (w *changeWriter) ordinary() {
	for _, e := range w.from.list {
		if _, stays := w.to.Get(e.Name); !stays && !special(e.Name) {
			w.reset(e.Name)
		}
	}
	for _, e := range w.to.list {
		if !special(e.Name) {
			w.differing(e.Name)
		}
	}
}

func special(name string) bool {
	return name == role || name == sessionAuthorization || name == clientEncoding
}

func (w *changeWriter) differing(name string) {
	was, had := w.from.Get(name)
	v, has := w.to.Get(name)
	switch {
	case has && (!had || was != v):
		w.set(name, v)
	case had && !has:
		w.reset(name)
	}
}

// reset relies on set_config passing NULL on as "no value", which set_config_option takes for RESET (guc.c).
func (w *changeWriter) reset(name string) {
	w.target(name)
	w.dst = append(w.dst, "NULL,false)"...)
}

func (w *changeWriter) set(name, value string) {
	w.target(name)
	w.value(value)
	w.dst = append(w.dst, ",false)"...)
}

func (w *changeWriter) target(name string) {
	switch {
	case w.targets == 0:
		w.dst = append(w.dst, "SELECT "...)
	case w.targets%maxTargets == 0:
		w.dst = append(w.dst, ";SELECT "...)
	default:
		w.dst = append(w.dst, ',')
	}
	w.targets++
	w.dst = append(w.dst, "pg_catalog.set_config("...)
	w.dst = appendLiteral(w.dst, name)
	w.dst = append(w.dst, ',')
}

// value writes a literal. The bytes of a value are in the encoding of the set it belongs to; while the server still
// reads another one, what is not ASCII has to be converted there.
func (w *changeWriter) value(v string) {
	was, _ := w.from.Get(clientEncoding)
	encoding, set := w.to.Get(clientEncoding)
	if isASCII(v) || was == encoding {
		w.dst = appendLiteral(w.dst, v)
		return
	}
	w.dst = append(w.dst, "pg_catalog.convert_from(pg_catalog.decode('"...)
	w.dst = hex.AppendEncode(w.dst, []byte(v))
	w.dst = append(w.dst, "','hex'),"...)
	if set {
		w.dst = appendLiteral(w.dst, encoding)
	} else {
		w.dst = append(w.dst, "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'client_encoding')"...)
	}
	w.dst = append(w.dst, ')')
}

func (w *changeWriter) finish() []byte {
	w.dst = append(w.dst, 0)
	binary.BigEndian.PutUint32(w.dst[w.start+1:], uint32(len(w.dst)-w.start-1))
	return w.dst
}

// appendLiteral quotes so that neither standard_conforming_strings nor backslash_quote matters (PostgreSQL
// documentation, 4.1.2.2). A zero byte cannot be sent and cannot be in a setting; it ends the value.
func appendLiteral(dst []byte, s string) []byte {
	dst = append(dst, 'E', '\'')
	for i := 0; i < len(s) && s[i] != 0; i++ {
		if s[i] == '\'' || s[i] == '\\' {
			dst = append(dst, s[i])
		}
		dst = append(dst, s[i])
	}
	return append(dst, '\'')
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
