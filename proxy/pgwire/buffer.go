package pgwire

import "sync"

// WindowSize is the buffer that a Reader takes first, enough for nearly every
// request; larger frames that are wanted whole move to larger buffers.
const WindowSize = 16 << 10

// buffer sizes are WindowSize << class; above the last class they are not pooled.
const bufferClasses = 6

type buffer struct {
	b     []byte
	class int
}

var bufferPools [bufferClasses]sync.Pool

// takeBuffer returns a buffer of at least size bytes.
func takeBuffer(size int) *buffer {
	class := 0
	for class < bufferClasses && WindowSize<<class < size {
		class++
	}
	if class == bufferClasses {
		return &buffer{b: make([]byte, size), class: class}
	}
	if buf, ok := bufferPools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{b: make([]byte, WindowSize<<class), class: class}
}

// giveBack: whoever took the buffer gives it back and keeps no slice of it.
func (buf *buffer) giveBack() {
	if buf.class < bufferClasses {
		bufferPools[buf.class].Put(buf)
	}
}
