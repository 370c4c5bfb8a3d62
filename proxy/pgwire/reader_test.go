package pgwire

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// script is frames of many sizes around those of the buffers.
func script() (wire []byte, frames []Frame) {
	for i, n := range []int{0, 1, 4, 100, WindowSize - 6, WindowSize - 5, WindowSize, 3 * WindowSize, 0, 2} {
		f := Frame{Type: byte('a' + i), Len: n, Body: pattern(n)}
		wire = AppendFrame(wire, f.Type, f.Body)
		frames = append(frames, f)
	}
	return wire, frames
}

func TestNextWholeFrames(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		wire, frames := script()
		r := NewReader(b, 4*WindowSize)
		both(t, func() error { return a.Write(wire) }, func() error {
			for _, want := range frames {
				f, err := r.Next()
				require.NoError(t, err)
				require.Equal(t, want.Type, f.Type)
				require.False(t, f.Partial)
				require.True(t, bytes.Equal(want.Body, f.Body))
				require.Len(t, f.Raw, HeaderSize+want.Len)
			}
			return nil
		})
	})
}

func TestNextSplitAtEveryByte(t *testing.T) {
	wire := AppendQuery(nil, "select 1")
	wire = AppendSync(wire)
	wire = AppendExecute(wire, "", 0)
	a, b := connect(t, "tcp")
	r := NewReader(b, 0)
	for at := range len(wire) {
		require.NoError(t, a.Write(wire[:at]))
		types := ""
		for {
			f, ok, err := r.TryNext()
			require.NoError(t, err)
			if ok {
				types += string(f.Type)
				continue
			}
			if got := len(r.Buffered()) + consumed(types); got >= at {
				break
			}
			require.NoError(t, r.Fill())
		}
		require.NoError(t, a.Write(wire[at:]))
		for len(types) < 3 {
			f, err := r.Next()
			require.NoError(t, err)
			types += string(f.Type)
		}
		require.Equal(t, "QSE", types)
	}
}

func consumed(types string) (n int) {
	for _, c := range types {
		n += map[rune]int{'Q': 14, 'S': 5, 'E': 10}[c]
	}
	return n
}

// A frame of any size is streamed through a buffer that stays small.
func TestStreamInBoundedMemory(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		big := pattern(4 << 20)
		wire := AppendSync(AppendFrame(nil, MsgCopyData, big))
		r := NewReader(b, 0)
		both(t, func() error { return a.Write(wire) }, func() error {
			f, err := r.Next()
			require.NoError(t, err)
			require.True(t, f.Partial)
			require.Equal(t, len(big), f.Len)
			got := bytes.Clone(f.Body)
			require.Equal(t, len(big)-len(got), r.Rest())
			_, err = r.Next()
			require.Error(t, err, "Next before the rest was read")
			require.NoError(t, r.Stream(func(chunk []byte) error {
				require.LessOrEqual(t, len(chunk), WindowSize)
				got = append(got, chunk...)
				return nil
			}))
			require.True(t, bytes.Equal(big, got))
			f, err = r.Next()
			require.NoError(t, err)
			require.EqualValues(t, MsgSync, f.Type)
			return nil
		})
	})
}

func TestBufferIsHeldOnlyWhileNeeded(t *testing.T) {
	a, b := connect(t, "tcp")
	r := NewReader(b, 64*WindowSize)
	both(t, func() error { return a.Write(AppendFrame(nil, 'd', pattern(5*WindowSize))) }, func() error {
		_, err := r.Next()
		return err
	})
	require.NotNil(t, r.buf)
	ok, err := r.TryFill()
	require.NoError(t, err)
	require.False(t, ok)
	require.Nil(t, r.buf, "given back when nothing came")
	b.Wake()
	require.Equal(t, ErrWoken, r.Fill())
	require.Nil(t, r.buf)
	require.NoError(t, a.Write([]byte("x")))
	require.NoError(t, r.Fill())
	require.Len(t, r.buf.b, WindowSize)
}

func TestFillStopsAtLimit(t *testing.T) {
	a, b := connect(t, "tcp")
	r := NewReader(b, 2*WindowSize)
	both(t, func() error { return a.Write(pattern(4 * WindowSize)) }, func() error {
		for {
			if err := r.Fill(); err != nil {
				require.Equal(t, ErrTooLarge, err)
				require.Equal(t, pattern(4 * WindowSize)[:2*WindowSize], r.Buffered())
				r.Discard(2*WindowSize - 3)
				require.NoError(t, r.Fill())
				require.Equal(t, pattern(4 * WindowSize)[2*WindowSize-3], r.Buffered()[0])
				return nil
			}
		}
	})
}

func TestNextErrors(t *testing.T) {
	for name, c := range map[string]struct {
		wire []byte
		want error
	}{
		"nothing":      {nil, io.EOF},
		"in header":    {[]byte("Q\x00"), io.ErrUnexpectedEOF},
		"in body":      {[]byte("Q\x00\x00\x00\x08ab"), io.ErrUnexpectedEOF},
		"length 3":     {[]byte("Q\x00\x00\x00\x03"), &LengthError{'Q', 3}},
		"negative":     {[]byte("Q\xff\xff\xff\xff"), &LengthError{'Q', 1<<32 - 1}},
		"above 1 GiB":  {[]byte("Q\x40\x00\x00\x00"), &LengthError{'Q', 1 << 30}},
		"http request": {[]byte("GET / HTTP/1.1\r\n"), &LengthError{'G', 0x4554202f}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := connect(t, "tcp")
			require.NoError(t, a.Write(c.wire))
			require.NoError(t, a.Close())
			_, err := NewReader(b, 0).Next()
			require.Equal(t, c.want, err)
		})
	}
}

func TestReadStartup(t *testing.T) {
	read := func(wire []byte) (*Startup, error) {
		a, b := connect(t, "tcp")
		require.NoError(t, a.Write(wire))
		require.NoError(t, a.Close())
		return ReadStartup(NewReader(b, 0), MaxStartupLength)
	}
	s, err := read(AppendStartup(nil, Version32, Param{"user", "ann"}, Param{"_pq_.x", "1"}, Param{"database", "d"}, Param{"user", "bob"}))
	require.NoError(t, err)
	require.Equal(t, []Param{{"user", "ann"}, {"database", "d"}, {"user", "bob"}}, s.Params)
	require.Equal(t, []Param{{"_pq_.x", "1"}}, s.Extensions)
	require.Equal(t, "bob", s.Get("user"))
	require.Equal(t, []int{3, 2}, []int{s.Major(), s.Minor()})

	key := pattern(MaxCancelKey)
	s, err = read(AppendCancelRequest(nil, 77, key))
	require.NoError(t, err)
	require.EqualValues(t, 77, s.CancelPID)
	require.Equal(t, key, s.CancelKey)

	var length *LengthError
	for _, n := range []uint32{0, 7, MaxStartupLength + 5, 1<<32 - 1} {
		_, err = read(binary.BigEndian.AppendUint32(nil, n))
		require.ErrorAs(t, err, &length, n)
	}
	for _, key := range [][]byte{nil, pattern(MaxCancelKey + 1)} {
		_, err = read(AppendCancelRequest(nil, 1, key))
		require.ErrorAs(t, err, &length)
	}
	s, err = read([]byte("\x00\x00\x00\x0c\x00\x03\x00\x00a\x00\x00y"))
	require.NoError(t, err)
	require.Equal(t, []Param{{"a", ""}}, s.Params, "what stands in the terminator's place is not looked at")
	var bad *StartupError
	for _, wire := range [][]byte{
		[]byte("\x00\x00\x00\x0d\x00\x03\x00\x00user\x00"),
		[]byte("\x00\x00\x00\x0a\x00\x03\x00\x00\x00\x00"),
	} {
		_, err = read(wire)
		require.ErrorAs(t, err, &bad, "%q", wire)
	}
	_, err = read(nil)
	require.Equal(t, io.EOF, err)
	_, err = read([]byte("\x00\x00\x00\x0d\x00\x03"))
	require.Equal(t, io.ErrUnexpectedEOF, err)
}
