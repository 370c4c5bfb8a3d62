package backend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// scripted is a server that does with every connection what the test says; the handler owns the connection and the
// test ends when all have returned.
func scripted(t *testing.T, handle func(c *pgwire.Conn, r *pgwire.Reader)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := pgwire.NewConn(nc)
			wg.Go(func() {
				defer c.Close()
				handle(c, pgwire.NewReader(c, 0))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// greet answers a start-up message with trust, a status and a key.
func greet(c *pgwire.Conn, r *pgwire.Reader) bool {
	s, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength)
	if err != nil || s.Code != pgwire.Version30 {
		return false
	}
	b := pgwire.AppendAuthenticationOk(nil)
	b = pgwire.AppendParameterStatus(b, "server_version", "15.0")
	b = pgwire.AppendBackendKeyData(b, 42, []byte{1, 2, 3, 4})
	return c.Write(pgwire.AppendReadyForQuery(b, pgwire.TxIdle)) == nil
}

// untilGone reads until the client has closed.
func untilGone(r *pgwire.Reader) {
	for r.Fill() == nil {
		r.Discard(len(r.Buffered()))
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// withTLS answers SSLRequest, goes on encrypted and hands over.
func withTLS(t *testing.T, cert tls.Certificate, next func(c *pgwire.Conn, r *pgwire.Reader)) func(*pgwire.Conn, *pgwire.Reader) {
	t.Helper()
	return func(c *pgwire.Conn, r *pgwire.Reader) {
		s, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength)
		if err != nil || s.Code != pgwire.CodeSSLRequest || c.Write([]byte{'S'}) != nil {
			return
		}
		if r.StartTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, true) == nil {
			next(c, r)
		}
	}
}
