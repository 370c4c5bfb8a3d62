package pgwire

import (
	"encoding/binary"
	"io"
	"strings"
)

// Codes of a start-up packet; others are protocol versions, major<<16 | minor.
const (
	CodeCancelRequest = 80877102
	CodeSSLRequest    = 80877103
	CodeGSSENCRequest = 80877104

	Version30 = 3 << 16
	Version32 = 3<<16 | 2
)

// MaxStartupLength is PostgreSQL's MAX_STARTUP_PACKET_LENGTH (libpq/pqcomm.h): the
// most bytes after the length field.
const MaxStartupLength = 10000

// MaxCancelKey is the longest cancel key of protocol 3.2.
const MaxCancelKey = 256

// extensionPrefix marks a protocol option among the parameters of a StartupMessage.
const extensionPrefix = "_pq_."

// Param is a parameter of a StartupMessage.
type Param struct{ Name, Value string }

// Startup is a start-up packet. What Code does not say is empty.
type Startup struct {
	Code uint32

	Params     []Param // in the order sent, the last of equal names counts
	Extensions []Param // the `_pq_.` ones, with the prefix

	CancelPID uint32
	CancelKey []byte
}

// Major and Minor are the protocol version of a StartupMessage.
func (s *Startup) Major() int { return int(s.Code >> 16) }

// Minor is the protocol's minor version.
func (s *Startup) Minor() int { return int(s.Code & 0xffff) }

// Get returns the last parameter of a name, "" if there is none.
func (s *Startup) Get(name string) string {
	for i := len(s.Params) - 1; i >= 0; i-- {
		if s.Params[i].Name == name {
			return s.Params[i].Value
		}
	}
	return ""
}

// ReadStartup reads a start-up packet of at most maxLength bytes after the length field
// (usually [MaxStartupLength]). The errors are a [*LengthError], a [*StartupError], and
// those of [Reader.Fill]; a client that leaves without a byte, as health checks do, is io.EOF.
func ReadStartup(r *Reader, maxLength int) (*Startup, error) {
	if err := fillTo(r, 4); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(r.Buffered())
	if n < 8 || uint64(n) > uint64(maxLength)+4 {
		return nil, &LengthError{Length: n}
	}
	if err := fillTo(r, int(n)); err != nil {
		return nil, err
	}
	s, err := DecodeStartup(r.Buffered()[4:n])
	r.Discard(int(n))
	return s, err
}

func fillTo(r *Reader, n int) error {
	for len(r.Buffered()) < n {
		if err := r.Fill(); err != nil {
			if err == io.EOF && len(r.Buffered()) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// StartupError is a start-up packet that PostgreSQL would refuse with 08P01 and
// this message.
type StartupError struct{ Message string }

func (e *StartupError) Error() string { return e.Message }

// DecodeStartup decodes what follows the length field of a start-up packet. A version
// other than 3.x is returned with its code only: what it carries is not known.
func DecodeStartup(b []byte) (*Startup, error) {
	if len(b) < 4 {
		return nil, &StartupError{"invalid length of startup packet"}
	}
	s := &Startup{Code: binary.BigEndian.Uint32(b)}
	b = b[4:]
	switch {
	case s.Code == CodeCancelRequest:
		if len(b) < 8 || len(b) > 4+MaxCancelKey {
			return nil, &LengthError{Length: uint32(8 + len(b))}
		}
		s.CancelPID = binary.BigEndian.Uint32(b)
		s.CancelKey = append([]byte(nil), b[4:]...)
		return s, nil
	case s.Major() != 3:
		return s, nil
	}
	return s, s.decodeParams(b)
}

func (s *Startup) decodeParams(b []byte) error {
	for len(b) > 0 && b[0] != 0 {
		if len(b) == 1 {
			return nil // ProcessStartupPacket looks at where the terminator should be, not at what is there
		}
		name, value, rest, ok := cstrings(b)
		if !ok {
			return &StartupError{"invalid startup packet layout: expected terminator as last byte"}
		}
		p := Param{string(name), string(value)}
		if strings.HasPrefix(p.Name, extensionPrefix) {
			s.Extensions = append(s.Extensions, p)
		} else {
			s.Params = append(s.Params, p)
		}
		b = rest
	}
	if len(b) != 1 {
		return &StartupError{"invalid startup packet layout: expected terminator as last byte"}
	}
	return nil
}

// AppendStartup appends a StartupMessage of a version with its parameters.
func AppendStartup(dst []byte, version uint32, params ...Param) []byte {
	at := len(dst)
	dst = appendUint32(append(dst, 0, 0, 0, 0), version)
	for _, p := range params {
		dst = appendCString(appendCString(dst, p.Name), p.Value)
	}
	dst = append(dst, 0)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

// AppendSSLRequest appends the request for encryption.
func AppendSSLRequest(dst []byte) []byte {
	return appendUint32(append(dst, 0, 0, 0, 8), CodeSSLRequest)
}

// AppendCancelRequest appends the packet that cancels what a process is doing.
func AppendCancelRequest(dst []byte, pid uint32, key []byte) []byte {
	dst = appendUint32(dst, uint32(12+len(key)))
	return append(appendUint32(appendUint32(dst, CodeCancelRequest), pid), key...)
}
