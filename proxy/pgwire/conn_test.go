package pgwire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(b)
	return b
}

func readFull(c *Conn, b []byte) error {
	for len(b) > 0 {
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// A peer that does not read makes the writer park in the middle of a write, and what
// arrives is what was sent.
func TestWriteToSlowReader(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		want := pattern(8 << 20)
		got := make([]byte, len(want))
		both(t,
			func() error { return a.Write(want) },
			func() error {
				for at := 0; at < len(got); {
					n, err := b.Read(got[at:min(at+1+at%70000, len(got))])
					if err != nil {
						return err
					}
					at += n
				}
				return nil
			})
		require.True(t, bytes.Equal(want, got))
	})
}

// TryWrite takes what fits and says so; the rest goes later, and a held TLS record is
// flushed by TryWrite(nil) or by Read.
func TestTryWrite(t *testing.T) {
	overTransports(t, []string{"tcp", "unix", "tls"}, func(t *testing.T, a, b *Conn) {
		want := pattern(32 << 20)
		sent, err := a.TryWrite(want)
		require.Equal(t, ErrWouldBlock, err)
		require.Positive(t, sent)
		require.Less(t, sent, len(want))
		again, err := a.TryWrite(want[sent:])
		require.Equal(t, ErrWouldBlock, err)
		sent += again

		got := make([]byte, sent)
		both(t,
			func() error { return readFull(b, got) },
			func() error {
				for {
					if _, err := a.TryWrite(nil); err != ErrWouldBlock {
						return err
					}
				}
			})
		require.True(t, bytes.Equal(want[:sent], got))

		both(t, func() error { return a.Write([]byte("end")) }, func() error { return readFull(b, got[:3]) })
		require.Equal(t, "end", string(got[:3]))
	})
}

func TestTryRead(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		buf := make([]byte, 10)
		_, err := b.TryRead(buf)
		require.Equal(t, ErrWouldBlock, err)
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.Write([]byte("hello")) })
		n := 0
		eventually(t, "the bytes", func() bool { n, err = b.TryRead(buf); return err != ErrWouldBlock })
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf[:n]))
		wg.Wait()
		_, err = b.TryRead(buf)
		require.Equal(t, ErrWouldBlock, err)

		both(t, func() error { return a.Write([]byte("more")) }, func() error { return readFull(b, buf[:4]) })
		require.Equal(t, "more", string(buf[:4]), "a TryRead that found nothing must not disturb the next Read")
	})
}

func TestExchange(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		for _, size := range []int{1, 100, WindowSize, 4 << 20} {
			req, buf := pattern(size), make([]byte, 16)
			got := make([]byte, size)
			both(t,
				func() error {
					if err := readFull(b, got); err != nil {
						return err
					}
					return b.Write([]byte("pong"))
				},
				func() error {
					n, err := a.Exchange(req, buf)
					if err == nil && n < 4 {
						err = readFull(a, buf[n:4])
					}
					return err
				})
			require.True(t, bytes.Equal(req, got))
			require.Equal(t, "pong", string(buf[:4]))
		}
	})
}

// An exchange whose buffer was filled must not wait for an edge that has passed.
func TestExchangeAfterFullBuffer(t *testing.T) {
	overTransports(t, []string{"tcp", "unix"}, func(t *testing.T, a, b *Conn) {
		require.NoError(t, b.Write([]byte("12345678")))
		buf := make([]byte, 4)
		require.NoError(t, readFull(a, buf))
		n, err := a.Exchange([]byte("x"), buf)
		require.NoError(t, err)
		require.Equal(t, "5678", string(buf[:n]))
	})
}

// Bytes that the poller has announced between two reads are seen by the next: the
// runtime forgets the announcement when a RawConn.Read begins.
func TestReadSeesWhatCameBetween(t *testing.T) {
	overTransports(t, []string{"tcp", "unix"}, func(t *testing.T, a, b *Conn) {
		buf := make([]byte, 64)
		other, otherPeer := connect(t, "tcp")
		for range 200 {
			require.NoError(t, a.Write([]byte("one")))
			_, err := b.Read(buf)
			require.NoError(t, err)
			require.NoError(t, a.Write([]byte("two")))
			// Parking here makes the poller run and take the edge of "two".
			both(t, func() error { return otherPeer.Write([]byte("x")) }, func() error { _, err := other.Read(buf); return err })
			n, err := b.Read(buf)
			require.NoError(t, err)
			require.Equal(t, "two", string(buf[:n]))
		}
	})
}

func TestEndOfStream(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		both(t, a.Close, func() error {
			_, err := b.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
			return nil
		})
	})
}

func TestHungup(t *testing.T) {
	overTransports(t, []string{"tcp", "unix", "tls"}, func(t *testing.T, a, b *Conn) {
		require.False(t, b.Hungup())
		require.NoError(t, a.Write([]byte("unread")))
		require.False(t, b.Hungup())
		require.NoError(t, a.Close())
		eventually(t, "the hang-up behind unread bytes", b.Hungup)
		buf := make([]byte, 6)
		require.NoError(t, readFull(b, buf))
		require.Equal(t, "unread", string(buf))
		require.NoError(t, b.Close())
		require.True(t, b.Hungup(), "our own close counts")
	})
	a, _ := connect(t, "pipe")
	require.False(t, a.Hungup())
}

func TestDeadline(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		require.NoError(t, b.SetDeadline(time.Now().Add(5*time.Millisecond)))
		buf := make([]byte, 4)
		_, err := b.Read(buf)
		require.Equal(t, os.ErrDeadlineExceeded, err)
		require.NoError(t, b.SetDeadline(time.Time{}))
		both(t, func() error { return a.Write([]byte("late")) }, func() error { return readFull(b, buf) })
		require.Equal(t, "late", string(buf))
	})
}

// A connection that is closed meanwhile ends the read and the write parked in it.
func TestCloseUnparks(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		var wg sync.WaitGroup
		var readErr, writeErr error
		wg.Go(func() { _, readErr = b.Read(make([]byte, 1)) })
		wg.Go(func() { writeErr = b.Write(make([]byte, 64<<20)) })
		require.NoError(t, readFull(a, make([]byte, 1<<10)))
		require.NoError(t, b.Close())
		wg.Wait()
		require.Error(t, readErr)
		require.Error(t, writeErr)
	})
}

func TestStartTLSRefusesBytesAhead(t *testing.T) {
	a, b := connect(t, "tcp")
	require.NoError(t, a.Write(append(AppendSSLRequest(nil), "early"...)))
	r := NewReader(b, 0)
	s, err := ReadStartup(r, MaxStartupLength)
	require.NoError(t, err)
	require.EqualValues(t, CodeSSLRequest, s.Code)
	require.ErrorContains(t, r.StartTLS(serverTLS(t), true), "unencrypted data")
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, name := range []string{"tcp", "unix"} {
		a, b := connect(t, name)
		req, buf := []byte("ping"), make([]byte, 64)
		r := NewReader(a, 0)
		nc, answering := sockets(t, name)
		asking := NewReader(NewConn(nc), 0)
		var wg sync.WaitGroup
		wg.Go(func() { echo(answering) })
		step := func() {
			must(t, a.Write(req))
			_, err := b.Read(buf)
			must(t, err)
			must(t, asking.Exchange(req))
			asking.Discard(len(asking.Buffered()))
			must(t, b.Write(req))
			must(t, r.Fill())
			r.Discard(len(r.Buffered()))
			_, err = r.TryFill()
			must(t, err)
			n, err := b.TryWrite(req)
			must(t, err)
			require.Equal(t, 4, n)
			must(t, r.Fill())
			r.Discard(len(r.Buffered()))
		}
		// Under the race detector sync.Pool drops buffers at random.
		if allocs := testing.AllocsPerRun(200, step); allocs != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations per run", name, allocs)
		}
		require.NoError(t, nc.Close())
		wg.Wait()
	}
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Fatal(err)
	}
}
