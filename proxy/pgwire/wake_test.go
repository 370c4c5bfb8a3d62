package pgwire

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWakeOfNextRead(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		b.Wake()
		b.Wake()
		buf := make([]byte, 5)
		_, err := b.Read(buf)
		require.Equal(t, ErrWoken, err, "two Wakes are one")
		both(t, func() error { return a.Write([]byte("hello")) }, func() error { return readFull(b, buf) })
		require.Equal(t, "hello", string(buf))
	})
}

func TestWakeOfParkedRead(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		buf := make([]byte, 5)
		for range 50 {
			both(t,
				func() error { b.Wake(); return nil },
				func() error {
					_, err := b.Read(buf)
					require.Equal(t, ErrWoken, err)
					return nil
				})
		}
		both(t, func() error { return a.Write([]byte("hello")) }, func() error { return readFull(b, buf) })
		require.Equal(t, "hello", string(buf), "what was sent is still read")
	})
}

// However Wakes and bytes interleave, every byte comes and after the last Wake a
// Read says so.
func TestWakeRaces(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		const total = 20000
		var wg sync.WaitGroup
		done := make(chan struct{})
		wg.Go(func() {
			msg := make([]byte, 100)
			for range total / len(msg) {
				if a.Write(msg) != nil {
					return
				}
			}
		})
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					b.Wake()
				}
			}
		})
		got, woken := 0, 0
		for buf := make([]byte, 64); got < total || woken == 0; {
			n, err := b.Read(buf)
			if err == ErrWoken {
				woken++
			} else {
				require.NoError(t, err)
			}
			got += n
		}
		close(done)
		wg.Wait()
		b.Wake()
		_, err := b.Read(make([]byte, 1))
		require.Equal(t, ErrWoken, err)
	})
}

// The request goes out even when a Wake comes first.
func TestWakeBeforeExchange(t *testing.T) {
	overTransports(t, transports, func(t *testing.T, a, b *Conn) {
		a.Wake()
		got := make([]byte, 7)
		both(t, func() error { return readFull(b, got) }, func() error {
			_, err := a.Exchange([]byte("request"), make([]byte, 10))
			require.Equal(t, ErrWoken, err)
			return nil
		})
		require.Equal(t, "request", string(got))
		both(t, func() error { return b.Write([]byte("answer")) }, func() error { return readFull(a, got[:6]) })
		require.Equal(t, "answer", string(got[:6]))
	})
}
