package pgwire

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the type byte and the length field of a frame.
const HeaderSize = 5

// MaxFrameLength is the largest length field PostgreSQL sends or accepts
// (MaxAllocSize, src/include/utils/memutils.h).
const MaxFrameLength = 1<<30 - 1

// Header is the head of a frame. Len is the whole frame on the wire: the type
// byte, the length field and the body.
type Header struct {
	Type byte
	Len  int
}

// BodyLen is the length of what follows the header.
func (h Header) BodyLen() int { return h.Len - HeaderSize }

// LengthError is a length field that no frame can have. The stream cannot be
// followed further: PostgreSQL answers 08P01 and closes.
type LengthError struct {
	Type   byte // 0 for a start-up packet
	Length uint32
}

func (e *LengthError) Error() string {
	if e.Type == 0 {
		return "invalid length of startup packet"
	}
	return fmt.Sprintf("invalid message length %d of message type 0x%02x", e.Length, e.Type)
}

// Peek looks at the header at the start of b. It is not ok with fewer than five
// bytes; the error is a [*LengthError].
func Peek(b []byte) (h Header, ok bool, err error) {
	if len(b) < HeaderSize {
		return Header{}, false, nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 4 || n > MaxFrameLength {
		return Header{}, false, &LengthError{Type: b[0], Length: n}
	}
	return Header{Type: b[0], Len: int(n) + 1}, true, nil
}
