package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
)

// A record in Redis is a head and a body. The head: "AIOR", version, flags, xxhash of the body as it is stored, length of
// the body as it is decoded. Integers are big-endian. The body is compressed with s2 from compressFrom bytes on.
const (
	magic         = "AIOR"
	formatVersion = 1
	headSize      = len(magic) + 1 + 1 + 8 + 4
	flagS2        = 1
	compressFrom  = 4 << 10
)

// errRubbish is what every decoding error is.
var errRubbish = errors.New("not an entry")

// maxBody returns the longest body that is written or read for results of up to max bytes: a bound for what a few
// compressed bytes may make us allocate.
func maxBody(max int64) int64 { return max + 1<<20 }

func rubbish(what string) error { return fmt.Errorf("%w: %s", errRubbish, what) }

// encode returns the bytes to keep under key, or nil if they would be longer than limit.
func encode(key cachepolicy.Key, r *record, limit int64) []byte {
	body := appendBody(make([]byte, headSize, headSize+r.weight()), key, r)[headSize:]
	if int64(len(body)) > limit {
		return nil
	}
	out := body
	var flags byte
	if len(body) >= compressFrom {
		if packed := s2.Encode(make([]byte, headSize+s2.MaxEncodedLen(len(body)))[headSize:], body); len(packed) < len(body) {
			out, flags = packed, flagS2
		}
	}
	data := make([]byte, 0, headSize+len(out))
	data = append(data, magic...)
	data = append(data, formatVersion, flags)
	data = binary.BigEndian.AppendUint64(data, xxhash.Sum64(out))
	data = binary.BigEndian.AppendUint32(data, uint32(len(body)))
	return append(data, out...)
}

func appendBody(b []byte, key cachepolicy.Key, r *record) []byte {
	e := &r.entry
	b = append(b, key[:]...)
	b = binary.BigEndian.AppendUint32(b, e.Position.Timeline)
	b = binary.BigEndian.AppendUint64(b, e.Position.LSN)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Created.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(r.expires.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Cost))
	b = binary.BigEndian.AppendUint64(b, uint64(e.RowCount))
	b = appendBytes(b, []byte(e.Snapshot))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.tables)))
	for _, t := range r.tables {
		b = appendBytes(b, []byte(t.Database))
		b = binary.BigEndian.AppendUint32(b, uint32(t.Rel))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.tokens)))
	for _, t := range r.tokens {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	for _, part := range [][]byte{e.ParameterDescription, e.RowDescription, e.Rows, e.Tag} {
		b = appendBytes(b, part)
	}
	return b
}

func appendBytes(b, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

// decode reads what encode wrote for the same key. Every error is errRubbish. The record does not alias data unless the
// body was stored uncompressed.
func decode(data []byte, key cachepolicy.Key, limit int64) (*record, error) {
	body, err := decodeHead(data, limit)
	if err != nil {
		return nil, err
	}
	d := decoder{rest: body}
	r := d.record(key)
	switch {
	case d.failed != "":
		return nil, rubbish(d.failed)
	case len(d.rest) > 0:
		return nil, rubbish("bytes after the end")
	case len(r.tokens) != len(dependencies(r.tables)):
		return nil, rubbish("tables and versions do not match")
	}
	return r, nil
}

func decodeHead(data []byte, limit int64) ([]byte, error) {
	if len(data) < headSize || string(data[:len(magic)]) != magic {
		return nil, rubbish("no head")
	}
	version, flags := data[len(magic)], data[len(magic)+1]
	sum := binary.BigEndian.Uint64(data[len(magic)+2:])
	size := binary.BigEndian.Uint32(data[len(magic)+10:])
	body := data[headSize:]
	switch {
	case version != formatVersion:
		return nil, rubbish("another version")
	case flags&^flagS2 != 0:
		return nil, rubbish("unknown flags")
	case int64(size) > limit:
		return nil, rubbish("too long")
	case xxhash.Sum64(body) != sum:
		return nil, rubbish("wrong checksum")
	}
	if flags&flagS2 == 0 {
		if len(body) != int(size) {
			return nil, rubbish("wrong length")
		}
		return body, nil
	}
	if n, err := s2.DecodedLen(body); err != nil || n != int(size) {
		return nil, rubbish("wrong compressed length")
	}
	body, err := s2.Decode(nil, body)
	if err != nil {
		return nil, rubbish("cannot be decompressed")
	}
	return body, nil
}

// decoder takes values off the front of rest. After the first failure all values are zero.
type decoder struct {
	rest   []byte
	failed string
}

func (d *decoder) record(key cachepolicy.Key) *record {
	if string(d.take(len(key))) != string(key[:]) {
		d.fail("another key")
	}
	r := &record{}
	e := &r.entry
	e.Position = Position{Timeline: d.uint32(), LSN: d.uint64()}
	e.Created = time.Unix(0, int64(d.uint64()))
	r.expires = time.Unix(0, int64(d.uint64()))
	e.Cost = time.Duration(d.uint64())
	e.RowCount = int64(d.uint64())
	e.Snapshot = string(d.bytes())
	r.tables = make([]cachepolicy.Table, d.count(8))
	for i := range r.tables {
		r.tables[i] = cachepolicy.Table{Database: string(d.bytes()), Rel: catalog.RelID(d.uint32())}
	}
	r.tokens = make([]token, d.count(8))
	for i := range r.tokens {
		r.tokens[i] = token(d.uint64())
	}
	for _, part := range []*[]byte{&e.ParameterDescription, &e.RowDescription, &e.Rows, &e.Tag} {
		*part = slices.Clip(d.bytes())
	}
	return r
}

func (d *decoder) fail(why string) {
	if d.failed == "" {
		d.failed = why
	}
	d.rest = nil
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.fail("too short")
		return nil
	}
	v := d.rest[:n]
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	if v := d.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if v := d.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// bytes returns nil for an empty value, as encode does not tell them apart.
func (d *decoder) bytes() []byte {
	n := d.uint32()
	if n == 0 {
		return nil
	}
	return d.take(int(n))
}

// count reads a number of items of at least size bytes each; more than the rest could hold is a failure.
func (d *decoder) count(size int) int {
	n := int(d.uint32())
	if n > len(d.rest)/size {
		d.fail("count too high")
		return 0
	}
	return n
}
