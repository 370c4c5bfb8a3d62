package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// DialConfig says how to get a connection.
type DialConfig struct {
	Addr           string // host:port or the directory of a unix socket
	Database, User string
	Credentials    *auth.Credentials
	TLS            TLS
	// Parameters go into the start-up packet. Pools sends none, so that Empty means the server's own defaults.
	Parameters            [][2]string
	ConnectTimeout        time.Duration // 0: only ctx limits
	MaxPreparedStatements int
}

// Dial connects, logs in and waits for ReadyForQuery. Errors: *ServerError with what the server said, wrapped:
// *auth.StaleKeysError, *auth.MissingCredentialsError, or what happened to the network.
func Dial(ctx context.Context, cfg DialConfig) (*Conn, error) {
	if cfg.ConnectTimeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, cfg.ConnectTimeout, errConnectTimeout)
		defer stop()
	}
	c, err := dialOnce(ctx, cfg)
	if err != nil && cfg.TLS.Mode == SSLPrefer && worthPlain(err) {
		cfg.TLS.Mode = SSLDisable
		c, err = dialOnce(ctx, cfg)
	}
	return c, err
}

// worthPlain: libpq's sslmode=prefer tries again without TLS when the handshake or pg_hba.conf says no to it.
func worthPlain(err error) bool {
	var handshake handshakeError
	var refused *ServerError
	return errors.As(err, &handshake) || errors.As(err, &refused) && refused.Code == "28000"
}

func dialOnce(ctx context.Context, cfg DialConfig) (*Conn, error) {
	wire, r, err := connect(ctx, cfg.Addr, cfg.TLS)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		Wire: wire, Reader: r, Applied: Empty, Prepared: NewPrepared(cfg.MaxPreparedStatements),
		dial: cfg, born: time.Now(),
	}
	release := interruptOn(ctx, wire)
	err = c.login(cfg)
	release()
	if ctx.Err() != nil {
		err = withCause(ctx, err) // even after success: the deadline is in the past
	}
	if err == nil {
		return c, nil
	}
	_ = wire.Close()
	var refused *ServerError
	if errors.As(err, &refused) {
		return nil, refused
	}
	return nil, fmt.Errorf("logging in to %s: %w", cfg.Addr, err)
}

func (c *Conn) login(cfg DialConfig) error {
	params := []pgwire.Param{{Name: "user", Value: cfg.User}, {Name: "database", Value: cfg.Database}}
	for _, p := range cfg.Parameters {
		params = append(params, pgwire.Param{Name: p[0], Value: p[1]})
	}
	if err := c.Wire.Write(pgwire.AppendStartup(nil, pgwire.Version30, params...)); err != nil {
		return err
	}
	if err := auth.Login(c.Wire, c.Reader, cfg.User, cfg.Credentials, nil); err != nil {
		return loginError(err)
	}
	for {
		f, err := c.Reader.Next()
		if err != nil {
			return err
		}
		if ready, err := c.startupFrame(f); ready || err != nil {
			c.Reader.Release()
			return err
		}
	}
}

// startupFrame takes what comes between AuthenticationOk and ReadyForQuery.
func (c *Conn) startupFrame(f pgwire.Frame) (ready bool, err error) {
	if f.Partial {
		return false, fmt.Errorf("a message of type %q and %d bytes during start-up", f.Type, f.Len)
	}
	switch f.Type {
	case pgwire.MsgParameterStatus:
		return false, c.reported(f.Body)
	case pgwire.MsgBackendKeyData:
		pid, key, err := pgwire.DecodeBackendKeyData(f.Body)
		c.PID, c.Secret = pid, append([]byte(nil), key...)
		return false, err
	case pgwire.MsgErrorResponse:
		return false, NewServerError(f.Body)
	case pgwire.MsgNoticeResponse, pgwire.MsgNegotiateProtocolVersion:
		return false, nil
	case pgwire.MsgReadyForQuery:
		return true, nil
	default: // an open set
		return false, fmt.Errorf("unexpected message of type %q during start-up", f.Type)
	}
}

// SendCancel asks the server of c to cancel what it runs, and waits until the server has closed the connection of
// the request, which it does after it has signalled. sent says whether the request may have reached the server.
func SendCancel(ctx context.Context, c *Conn) (sent bool, err error) {
	t := c.dial.TLS
	if c.Wire.TLS() == nil {
		t.Mode = SSLDisable // as this connection was dialled in the end
	}
	wire, r, err := connect(ctx, c.dial.Addr, t)
	if err != nil {
		return false, err
	}
	defer wire.Close()
	release := interruptOn(ctx, wire)
	err = wire.Write(pgwire.AppendCancelRequest(nil, c.PID, c.Secret))
	release()
	if err == nil {
		err = untilEOF(ctx, r)
	}
	if err != nil {
		return true, fmt.Errorf("cancelling at %s: %w", c.dial.Addr, withCause(ctx, err))
	}
	return true, nil
}

// loginError gives an ErrorResponse that came during authentication the same type as a later one. auth's own typed
// errors stay what they are, even around one.
func loginError(err error) error {
	var stale *auth.StaleKeysError
	var refused *auth.ServerError
	if errors.As(err, &refused) && !errors.As(err, &stale) {
		return NewServerError(refused.Body)
	}
	return err
}
