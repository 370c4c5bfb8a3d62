package pgwire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// transports are the ways two Conns can be connected.
var transports = []string{"tcp", "unix", "tls", "foreign tls", "pipe"}

func overTransports(t *testing.T, names []string, test func(t *testing.T, a, b *Conn)) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			a, b := connect(t, name)
			test(t, a, b)
		})
	}
}

func connect(t testing.TB, transport string) (client, server *Conn) {
	t.Helper()
	switch transport {
	case "tcp", "unix":
		c, s := sockets(t, transport)
		return closing(t, NewConn(c), NewConn(s))
	case "pipe":
		c, s := net.Pipe()
		return closing(t, NewConn(c), NewConn(s))
	case "tls":
		c, s := sockets(t, "tcp")
		client, server = closing(t, NewConn(c), NewConn(s))
		both(t,
			func() error { return client.StartTLS(clientTLS(), false) },
			func() error { return server.StartTLS(serverTLS(t), true) })
		return client, server
	case "foreign tls":
		c, s := sockets(t, "tcp")
		tc, ts := tls.Client(c, clientTLS()), tls.Server(s, serverTLS(t))
		client, server = closing(t, NewConn(tc), NewConn(ts))
		both(t, tc.Handshake, ts.Handshake)
		return client, server
	}
	t.Fatalf("no transport %q", transport)
	return nil, nil
}

func closing(t testing.TB, a, b *Conn) (*Conn, *Conn) {
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func sockets(t testing.TB, network string) (client, server net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, address)
	require.NoError(t, err)
	defer ln.Close()
	both(t,
		func() (err error) { client, err = net.Dial(network, ln.Addr().String()); return },
		func() (err error) { server, err = ln.Accept(); return })
	return client, server
}

// both runs two sides of something at once.
func both(t testing.TB, f, g func() error) {
	t.Helper()
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = f() })
	err2 := g()
	wg.Wait()
	require.NoError(t, err)
	require.NoError(t, err2)
}

func clientTLS() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

var serverTLSOnce = sync.OnceValues(func() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, err
})

func serverTLS(t testing.TB) *tls.Config {
	cfg, err := serverTLSOnce()
	require.NoError(t, err)
	return cfg
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 10*time.Second, time.Millisecond, what)
}
