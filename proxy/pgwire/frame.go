package pgwire

import (
	"errors"
	"io"
)

// Frame is one message, or the beginning of one too large to be buffered.
type Frame struct {
	Type    byte
	Len     int    // of the whole body
	Body    []byte // what is here of it; all unless Partial
	Raw     []byte // header and Body as they came
	Partial bool   // the rest is to be taken with Stream
}

var errRestUnread = errors.New("pgwire: the rest of a partial frame was not read")

// Next parks until a frame is there whole, or, where it exceeds the limit, its
// beginning. Body and Raw alias the buffer and are valid until the next call;
// copy them to keep them. A peer that goes between two frames is io.EOF, within
// one io.ErrUnexpectedEOF. After ErrWoken, or a deadline, Next may be called again.
func (r *Reader) Next() (Frame, error) {
	if r.rest > 0 {
		return Frame{}, errRestUnread
	}
	for {
		f, ok, err := r.TryNext()
		if ok || err != nil {
			return f, err
		}
		if err := r.Fill(); err != nil {
			if err == io.EOF && r.end > r.start {
				err = io.ErrUnexpectedEOF
			}
			return Frame{}, err
		}
	}
}

// TryNext is Next over the bytes that are buffered already.
func (r *Reader) TryNext() (f Frame, ok bool, err error) {
	b := r.Buffered()
	h, ok, err := Peek(b)
	if err != nil || !ok {
		return Frame{}, false, err
	}
	f = Frame{Type: h.Type, Len: h.BodyLen()}
	if len(b) < h.Len {
		if h.Len <= r.limit {
			return Frame{}, false, r.reserve(h.Len)
		}
		f.Partial = true
		r.rest = h.Len - len(b)
	} else {
		b = b[:h.Len]
	}
	f.Raw, f.Body = b, b[HeaderSize:]
	r.Discard(len(b))
	return f, true, nil
}

// reserve moves to a buffer that will hold n bytes, once and not by doubling.
func (r *Reader) reserve(n int) error {
	if n <= len(r.buf.b) {
		return nil
	}
	return r.grow(n)
}

// Rest is how much of a partial frame's body is still to be streamed.
func (r *Reader) Rest() int { return r.rest }

// Stream hands the rest of a partial frame to fn, chunk by chunk as it comes; a
// chunk is valid until fn returns. After an error of fn or of the Conn, Stream
// may be called again for what fn has not been given.
func (r *Reader) Stream(fn func(chunk []byte) error) error {
	for r.rest > 0 {
		if r.start == r.end {
			if err := r.Fill(); err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
		chunk := r.Buffered()
		chunk = chunk[:min(len(chunk), r.rest)]
		r.rest -= len(chunk)
		r.Discard(len(chunk))
		if err := fn(chunk); err != nil {
			return err
		}
	}
	return nil
}
