//go:build !linux

package pgwire

import "net"

// rawIO exists on Linux only; elsewhere every connection is used as a net.Conn.
type rawIO struct{}

func newRawIO(net.Conn) *rawIO { return nil }

func (*rawIO) read([]byte) (int, error)                             { return 0, ErrWouldBlock }
func (*rawIO) readFor(*Reader) (int, error)                         { return 0, ErrWouldBlock }
func (*rawIO) tryRead([]byte) (int, error)                          { return 0, ErrWouldBlock }
func (*rawIO) write([]byte) error                                   { return ErrWouldBlock }
func (*rawIO) tryWrite([]byte) (int, error)                         { return 0, ErrWouldBlock }
func (*rawIO) exchange(_, _ []byte, _ *Reader) (int, []byte, error) { return 0, nil, ErrWouldBlock }
func (*rawIO) hungup() bool                                         { return false }
