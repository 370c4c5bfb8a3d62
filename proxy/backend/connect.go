package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// frameLimit is how large a message of a server may be to be buffered whole. Login has none near it.
const frameLimit = 256 << 10

const defaultPort = "5432"

// target says what to connect to: host:port, or the directory of a unix socket, as libpq's host parameter takes it,
// with :port unless it is 5432, or the path of the socket itself.
func target(addr string) (network, address, host string) {
	if !strings.HasPrefix(addr, "/") {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return "tcp", net.JoinHostPort(addr, defaultPort), addr
		}
		return "tcp", addr, host
	}
	if strings.HasPrefix(filepath.Base(addr), ".s.PGSQL.") {
		return "unix", addr, ""
	}
	dir, port, found := strings.Cut(addr, ":")
	if !found {
		port = defaultPort
	}
	return "unix", filepath.Join(dir, ".s.PGSQL."+port), ""
}

// connect returns a connection on which nothing but TLS has been negotiated.
func connect(ctx context.Context, addr string, t TLS) (*pgwire.Conn, *pgwire.Reader, error) {
	network, address, host := target(addr)
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to %s: %w", addr, withCause(ctx, err))
	}
	wire := pgwire.NewConn(nc)
	r := pgwire.NewReader(wire, frameLimit)
	if t.Mode == SSLDisable || network == "unix" {
		return wire, r, nil
	}
	if err := encrypt(ctx, wire, r, t, host); err != nil {
		_ = wire.Close()
		return nil, nil, fmt.Errorf("encrypting the connection to %s: %w", addr, withCause(ctx, err))
	}
	return wire, r, nil
}

var errNoTLS = errors.New("the server does not support TLS, but sslmode is require")

// handshakeError is one that sslmode prefer answers with another attempt without TLS.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

func encrypt(ctx context.Context, wire *pgwire.Conn, r *pgwire.Reader, t TLS, host string) error {
	defer interruptOn(ctx, wire)()
	if err := wire.Write(pgwire.AppendSSLRequest(nil)); err != nil {
		return err
	}
	// Exactly one byte: what follows unencrypted is not ours to read (CVE-2021-23222).
	var answer [1]byte
	if _, err := wire.Read(answer[:]); err != nil {
		return err
	}
	switch answer[0] {
	case 'S':
		if err := r.StartTLS(t.client(host), false); err != nil {
			return handshakeError{err}
		}
		return nil
	case 'N':
		if t.Mode == SSLRequire {
			return errNoTLS
		}
		return nil
	default: // an open set; an ErrorResponse here is not trusted and not shown (CVE-2024-10977)
		return fmt.Errorf("unexpected answer 0x%02x to SSLRequest", answer[0])
	}
}

// longAgo as a deadline interrupts what is parked.
var longAgo = time.Unix(1, 0)

// interruptOn makes the end of ctx interrupt reads and writes until the returned function is called.
func interruptOn(ctx context.Context, wire *pgwire.Conn) (release func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = wire.SetDeadline(longAgo)
		close(interrupted)
	})
	return func() {
		if !stop() {
			<-interrupted
		}
	}
}

// withCause says why an interrupted call was interrupted.
func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
