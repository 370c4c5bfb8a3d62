package instance_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// gate is a connection to a server that can be made to say nothing without being closed.
type gate struct {
	listener net.Listener
	open     sync.RWMutex // held for writing while nothing passes
	work     sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{listener: l}
	g.work.Go(func() { g.accept(target) })
	t.Cleanup(func() {
		_ = l.Close()
		g.mu.Lock()
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.mu.Unlock()
		g.work.Wait()
	})
	return g
}

func (g *gate) addr() string { return g.listener.Addr().String() }

func (g *gate) accept(target string) {
	for {
		near, err := g.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", target)
		if err != nil {
			_ = near.Close()
			continue
		}
		g.mu.Lock()
		g.conns = append(g.conns, near, far)
		g.mu.Unlock()
		g.work.Go(func() { g.pass(far, near) })
		g.work.Go(func() { g.pass(near, far) })
	}
}

func (g *gate) pass(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		g.open.RLock()
		if n > 0 {
			_, _ = to.Write(buf[:n])
		}
		g.open.RUnlock()
		if err != nil {
			return
		}
	}
}
