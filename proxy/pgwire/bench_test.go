package pgwire

import (
	"net"
	"sync"
	"testing"
)

// BenchmarkPingPong is a request and its answer over loopback; half of the work is the
// other side's, which is the same in all of them.
func BenchmarkPingPong(b *testing.B) {
	msg := AppendQuery(nil, "SELECT abalance FROM pgbench_accounts WHERE aid = 12345")
	for _, network := range []string{"tcp", "unix"} {
		run(b, network+"/net.Conn", network, func(c net.Conn) func() error {
			buf := make([]byte, WindowSize)
			return func() error {
				if _, err := c.Write(msg); err != nil {
					return err
				}
				_, err := c.Read(buf)
				return err
			}
		})
		run(b, network+"/raw", network, func(nc net.Conn) func() error {
			c := NewConn(nc)
			r := NewReader(c, 0)
			return func() error {
				if err := c.Write(msg); err != nil {
					return err
				}
				err := r.Fill()
				r.Discard(len(r.Buffered()))
				return err
			}
		})
		run(b, network+"/exchange", network, func(nc net.Conn) func() error {
			r := NewReader(NewConn(nc), 0)
			return func() error {
				err := r.Exchange(msg)
				r.Discard(len(r.Buffered()))
				return err
			}
		})
	}
}

func run(b *testing.B, name, network string, client func(net.Conn) func() error) {
	b.Run(name, func(b *testing.B) {
		c, s := sockets(b, network)
		var wg sync.WaitGroup
		wg.Go(func() { echo(s) })
		step := client(c)
		b.ReportAllocs()
		for b.Loop() {
			must(b, step())
		}
		_ = c.Close()
		wg.Wait()
	})
}

func echo(nc net.Conn) {
	c := NewConn(nc)
	defer func() { _ = c.Close() }()
	r := NewReader(c, 0)
	for r.Fill() == nil {
		if c.Write(r.Buffered()) != nil {
			return
		}
		r.Discard(len(r.Buffered()))
	}
}
