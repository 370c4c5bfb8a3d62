package cachepolicy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// keyVersion is the first byte that is hashed. It changes with everything that changes what a key covers.
const keyVersion = 1

type hasher struct {
	h   hash.Hash
	buf []byte // scratch: strings and lengths on their way into h, then the sum
}

var hashers = sync.Pool{New: func() any { return &hasher{h: sha256.New(), buf: make([]byte, 0, 256)} }}

// keyOf hashes everything that can change the bytes of a result, each part with its length in front so that no two
// different inputs are the same bytes. A cryptographic hash, because clients choose the text and the parameters: a
// collision would show one user the rows of another.
//
// The protocol is not part of it: for equal formats a simple query and an extended one without parameters give the same
// RowDescription, DataRow and CommandComplete messages.
func keyOf(in *Input) (key Key) {
	s := hashers.Get().(*hasher)
	s.h.Reset()
	s.buf = append(s.buf[:0], keyVersion)
	s.buf = binary.BigEndian.AppendUint64(s.buf, in.Facts.Fingerprint)
	s.addString(in.Database)
	s.addString(in.User)
	s.h.Write(s.buf)
	s.add(in.Settings)
	s.add(in.Text)
	s.add(noneAsNil(in.ParamTypes))
	s.add(noneAsNil(in.Params))
	s.add(textAsNil(in.ResultFormats))
	s.buf = s.h.Sum(s.buf[:0])
	copy(key[:], s.buf)
	hashers.Put(s)
	return key
}

func (s *hasher) addString(v string) {
	s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(len(v)))
	s.buf = append(s.buf, v...)
}

func (s *hasher) add(v []byte) {
	s.buf = binary.BigEndian.AppendUint64(s.buf[:0], uint64(len(v)))
	s.h.Write(s.buf)
	s.h.Write(v)
}

// noneAsNil makes "no types" (a count of zero) and "no parameters" (no formats and no values, two counts of zero) equal to
// the simple protocol, which has neither.
func noneAsNil(wire []byte) []byte {
	if len(wire) <= 4 && len(bytes.TrimLeft(wire, "\x00")) == 0 {
		return nil
	}
	return wire
}

// textAsNil makes the two wire forms that mean "every column as text", whatever their number, equal to nil: no codes, or
// the single code 0. A code for each column is kept as it is: their number must be that of the columns, and PostgreSQL
// refuses the request if it is not.
func textAsNil(wire []byte) []byte {
	switch string(wire) {
	case "\x00\x00", "\x00\x01\x00\x00":
		return nil
	}
	return wire
}
