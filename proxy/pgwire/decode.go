package pgwire

import (
	"bytes"
	"encoding/binary"
)

// MalformedError is a message whose body does not follow the protocol. PostgreSQL
// answers such a message with 08P01.
type MalformedError struct{ Message string }

func (e *MalformedError) Error() string { return "invalid " + e.Message + " message" }

func malformed(message string) error { return &MalformedError{message} }

// CString splits a zero-terminated string off b. Both parts alias b.
func CString(b []byte) (s, rest []byte, err error) {
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return nil, nil, malformed("string in")
	}
	return b[:n:n], b[n+1:], nil
}

// cstrings splits two strings off b.
func cstrings(b []byte) (s, t, rest []byte, ok bool) {
	s, rest, err := CString(b)
	if err != nil {
		return nil, nil, nil, false
	}
	t, rest, err = CString(rest)
	return s, t, rest, err == nil
}

// QueryText returns the text of a Query's body.
func QueryText(body []byte) ([]byte, error) {
	sql, rest, err := CString(body)
	if err != nil || len(rest) != 0 {
		return nil, malformed("Query")
	}
	return sql, nil
}

// Parse is a Parse message; its fields alias the body.
type Parse struct {
	Name, SQL []byte
	OIDs      []byte // the parameter types, four bytes each
}

// DecodeParse decodes a Parse's body.
func DecodeParse(body []byte) (Parse, error) {
	name, sql, rest, ok := cstrings(body)
	if !ok || len(rest) < 2 {
		return Parse{}, malformed("Parse")
	}
	oids := rest[2:]
	if len(oids) != 4*int(binary.BigEndian.Uint16(rest)) {
		return Parse{}, malformed("Parse")
	}
	return Parse{Name: name, SQL: sql, OIDs: oids}, nil
}

// Bind is a Bind message; its fields alias the body.
type Bind struct {
	Portal, Statement []byte
	Rest              []byte // everything after the names, checked: what tells two executions apart
	ParameterFormats  []byte // two bytes each
	ParameterCount    int
	Parameters        []byte // length and value of each
	ResultFormats     []byte // two bytes each
}

// DecodeBind decodes a Bind's body and checks every length in it; the values
// themselves are not looked at.
func DecodeBind(body []byte) (Bind, error) {
	portal, statement, rest, ok := cstrings(body)
	if !ok {
		return Bind{}, malformed("Bind")
	}
	m := Bind{Portal: portal, Statement: statement, Rest: rest}
	if m.ParameterFormats, rest, ok = codes(rest); !ok || len(rest) < 2 {
		return Bind{}, malformed("Bind")
	}
	m.ParameterCount = int(binary.BigEndian.Uint16(rest))
	m.Parameters = rest[2:]
	rest = m.Parameters
	for range m.ParameterCount {
		if _, rest, ok = value(rest); !ok {
			return Bind{}, malformed("Bind")
		}
	}
	m.Parameters = m.Parameters[:len(m.Parameters)-len(rest)]
	if m.ResultFormats, rest, ok = codes(rest); !ok || len(rest) != 0 {
		return Bind{}, malformed("Bind")
	}
	return m, nil
}

// EachParameter calls fn for every parameter of a decoded Bind; NULL is nil.
func (m Bind) EachParameter(fn func(i int, value []byte)) {
	rest := m.Parameters
	for i := range m.ParameterCount {
		var v []byte
		v, rest, _ = value(rest)
		fn(i, v)
	}
}

// codes splits a counted list of two-byte codes off b.
func codes(b []byte) (list, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 * int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// value splits a length and that many bytes off b; the length -1 is NULL.
func value(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n == -1 {
		return nil, b, true
	}
	if n < 0 || int(n) > len(b) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// DecodeObject decodes the body of a Describe or Close.
func DecodeObject(body []byte) (object byte, name []byte, err error) {
	if len(body) < 2 || body[0] != ObjectStatement && body[0] != ObjectPortal {
		return 0, nil, malformed("Describe or Close")
	}
	name, rest, err := CString(body[1:])
	if err != nil || len(rest) != 0 {
		return 0, nil, malformed("Describe or Close")
	}
	return body[0], name, nil
}

// DecodeExecute decodes an Execute's body; maxRows 0 (or less) is all of them.
func DecodeExecute(body []byte) (portal []byte, maxRows int32, err error) {
	portal, rest, err := CString(body)
	if err != nil || len(rest) != 4 {
		return nil, 0, malformed("Execute")
	}
	return portal, int32(binary.BigEndian.Uint32(rest)), nil
}
