package pgwire

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReplacedFieldsLeaveTheOthersAsTheyAre(t *testing.T) {
	fields := &ErrorFields{
		Severity: "FEHLER", SeverityUnlocalized: "ERROR", Code: "42P05", Message: "taken", Detail: "d", File: "prepare.c", Line: "1", Routine: "r",
	}
	body := AppendErrorResponse(nil, fields)[HeaderSize:]
	got, err := DecodeError(AppendErrorSeverity(nil, body, "FATAL")[HeaderSize:])
	require.NoError(t, err)
	want := *fields
	want.Severity, want.SeverityUnlocalized = "FATAL", "FATAL"
	assert.Equal(t, &want, got)

	got, err = DecodeError(AppendErrorMessage([]byte("x"), body, "other")[1+HeaderSize:])
	require.NoError(t, err)
	want = *fields
	want.Message = "other"
	assert.Equal(t, &want, got)
}

func TestReplacedErrorIsWellFormedWhateverTheBody(t *testing.T) {
	for _, body := range []string{"", "\x00", "S", "SERROR", "SERROR\x00C", "SERROR\x00\x00junk"} {
		frame := AppendErrorSeverity(nil, []byte(body), "FATAL")
		h, ok, err := Peek(frame)
		require.NoError(t, err)
		require.True(t, ok)
		assert.Equal(t, len(frame), h.Len, "%q", body)
		_, err = DecodeError(frame[HeaderSize:])
		assert.NoError(t, err, "%q", body)
	}
}

func TestEachColumn(t *testing.T) {
	var got []string
	collect := func(v []byte) {
		if v == nil {
			got = append(got, "NULL")
			return
		}
		got = append(got, string(v))
	}
	frame := AppendDataRow(nil, [][]byte{[]byte("a"), nil, {}})
	EachColumn(frame[HeaderSize:], collect)
	assert.Equal(t, []string{"a", "NULL", ""}, got)
	got = nil
	EachColumn([]byte{0, 2, 0, 0, 0, 1, 'x', 0, 0, 0, 9}, collect)
	assert.Equal(t, []string{"x"}, got, "it stops where the row is cut off")
	EachColumn(nil, collect)
	EachColumn([]byte{0}, collect)
	assert.Len(t, got, 1)
}

func TestReadableSeesBytesAndTheEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	nc, err := l.Accept()
	require.NoError(t, err)
	c := NewConn(nc)
	defer c.Close()
	assert.False(t, c.Readable())
	_, err = peer.Write([]byte("x"))
	require.NoError(t, err)
	require.Eventually(t, c.Readable, 5*time.Second, time.Millisecond)
	var b [1]byte
	_, err = c.Read(b[:])
	require.NoError(t, err)
	assert.False(t, c.Readable())
	require.NoError(t, peer.Close())
	require.Eventually(t, c.Readable, 5*time.Second, time.Millisecond)
}
