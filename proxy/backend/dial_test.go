package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

func TestDialCollectsWhatTheServerSays(t *testing.T) {
	c := realDial(t)
	assert.Equal(t, strconv.Itoa(int(c.PID)), value(t, c, "SELECT pg_backend_pid()"))
	assert.Len(t, c.Secret, 4)
	assert.Same(t, Empty, c.Applied)
	for _, name := range []string{"server_version", "client_encoding", "TimeZone", "standard_conforming_strings"} {
		want := value(t, c, "SELECT current_setting('"+name+"')")
		got, ok := c.Status.Get(name)
		assert.True(t, ok, name)
		assert.Equal(t, want, got, name)
	}
	assert.Equal(t, "", value(t, c, "SHOW application_name"))
}

func TestDialUnixSocket(t *testing.T) {
	n := servers.Primary()
	for _, addr := range []string{
		n.SocketDir() + ":" + strconv.Itoa(n.Port),
		n.SocketDir() + "/.s.PGSQL." + strconv.Itoa(n.Port),
	} {
		c, err := Dial(t.Context(), DialConfig{Addr: addr, Database: "postgres", User: "postgres", TLS: TLS{Mode: SSLRequire}})
		require.NoError(t, err, addr)
		assert.Equal(t, "t", value(t, c, "SELECT inet_client_addr() IS NULL"))
		c.close()
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct{ addr, network, address, host string }{
		{"db:5433", "tcp", "db:5433", "db"},
		{"db", "tcp", "db:5432", "db"},
		{"[::1]:5433", "tcp", "[::1]:5433", "::1"},
		{"/run/postgresql", "unix", "/run/postgresql/.s.PGSQL.5432", ""},
		{"/run/postgresql:6000", "unix", "/run/postgresql/.s.PGSQL.6000", ""},
		{"/tmp/.s.PGSQL.1", "unix", "/tmp/.s.PGSQL.1", ""},
	} {
		network, address, host := target(tt.addr)
		assert.Equal(t, tt, struct{ addr, network, address, host string }{tt.addr, network, address, host})
	}
}

// TestServerErrorsAreVerbatim compares with what pgx is told.
func TestServerErrorsAreVerbatim(t *testing.T) {
	n := servers.Primary()
	for _, tt := range []struct{ user, database, code string }{
		{"postgres", "no_such_database", "3D000"},
		{"nobody\"here", "postgres", "28P01"},
	} {
		cfg, err := pgconn.ParseConfig(n.DSN(tt.database))
		require.NoError(t, err)
		cfg.User, cfg.Password = tt.user, "x"
		_, err = pgconn.ConnectConfig(t.Context(), cfg)
		var want *pgconn.PgError
		require.ErrorAs(t, err, &want)

		_, err = Dial(t.Context(), DialConfig{
			Addr: n.Addr(), Database: tt.database, User: tt.user, Credentials: &auth.Credentials{Password: "x"},
		})
		var got *ServerError
		require.ErrorAs(t, err, &got)
		assert.Equal(t, tt.code, got.Code)
		assert.True(t, got.Final())
		assert.Equal(t, "FATAL", got.Severity)
		assert.Equal(t, want.Message, got.Message)
		fields, err := pgwire.DecodeError(got.Body)
		require.NoError(t, err)
		assert.Equal(t, want.Routine, fields.Routine)
		assert.Equal(t, want.Code, fields.Code)
	}
}

func TestDialWithPassword(t *testing.T) {
	n := servers.Primary()
	require.NoError(t, n.Exec(t.Context(), "postgres", "CREATE ROLE scrammed LOGIN PASSWORD 'sesame'"))
	t.Cleanup(func() { require.NoError(t, n.Exec(context.Background(), "postgres", "DROP ROLE scrammed")) })
	cfg := DialConfig{Addr: n.Addr(), Database: "postgres", User: "scrammed", Credentials: &auth.Credentials{Password: "sesame"}}
	c, err := Dial(t.Context(), cfg)
	require.NoError(t, err)
	assert.Equal(t, "scrammed", value(t, c, "SELECT current_user"))
	c.close()

	cfg.Credentials = nil
	_, err = Dial(t.Context(), cfg)
	var missing *auth.MissingCredentialsError
	require.ErrorAs(t, err, &missing)

	cfg.Credentials = &auth.Credentials{ClientKey: make([]byte, 32), ServerKey: make([]byte, 32)}
	_, err = Dial(t.Context(), cfg)
	var stale *auth.StaleKeysError
	require.ErrorAs(t, err, &stale, "the typed error of auth is not lost in the server's")
}

func TestDialIsLimited(t *testing.T) {
	silent := scripted(t, func(_ *pgwire.Conn, r *pgwire.Reader) { untilGone(r) })
	for _, mode := range []SSLMode{SSLDisable, SSLPrefer} {
		cfg := DialConfig{Addr: silent, Database: "d", User: "u", ConnectTimeout: 20 * time.Millisecond, TLS: TLS{Mode: mode}}
		_, err := Dial(t.Context(), cfg)
		require.ErrorIs(t, err, errConnectTimeout)

		gone := errors.New("client gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		cfg.ConnectTimeout = time.Minute
		done := later(t, func() error { _, err := Dial(ctx, cfg); return err })
		cancel(gone)
		require.ErrorIs(t, <-done, gone)
	}
}

func TestDialRubbish(t *testing.T) {
	for name, answer := range map[string][]byte{
		"not PostgreSQL":  []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"bad length":      {'R', 0, 0, 0, 1},
		"closed":          nil,
		"early data":      pgwire.AppendDataRowText(pgwire.AppendAuthenticationOk(nil), "x"),
		"short key":       append(pgwire.AppendAuthenticationOk(nil), 'K', 0, 0, 0, 5, 0),
		"truncated":       pgwire.AppendAuthenticationOk(nil)[:4],
		"endless message": append(pgwire.AppendAuthenticationOk(nil), 'S', 0x3f, 0xff, 0xff, 0xff),
	} {
		addr := scripted(t, func(c *pgwire.Conn, r *pgwire.Reader) {
			if _, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength); err == nil {
				_ = c.Write(answer)
			}
		})
		_, err := Dial(t.Context(), DialConfig{Addr: addr, Database: "d", User: "u", ConnectTimeout: patience})
		require.Error(t, err, name)
		var refused *ServerError
		assert.False(t, errors.As(err, &refused), name)
	}
}

func TestDialTLS(t *testing.T) {
	cert := certificate(t)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	addr := scripted(t, withTLS(t, cert, func(c *pgwire.Conn, r *pgwire.Reader) {
		if greet(c, r) {
			untilGone(r)
		}
	}))
	for _, cfg := range []TLS{
		{Mode: SSLRequire}, {Mode: SSLPrefer}, {Mode: SSLRequire, Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	} {
		c, err := Dial(t.Context(), DialConfig{Addr: addr, Database: "d", User: "u", TLS: cfg, ConnectTimeout: patience})
		require.NoError(t, err)
		assert.NotNil(t, c.Wire.TLS())
		assert.EqualValues(t, 42, c.PID)
		assert.True(t, c.probe(), "idle and well")
		c.close()
	}
	strict := TLS{Mode: SSLRequire, Config: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}
	_, err = Dial(t.Context(), DialConfig{Addr: addr, Database: "d", User: "u", TLS: strict, ConnectTimeout: patience})
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
}

func TestServerWithoutTLS(t *testing.T) {
	addr := servers.Primary().Addr()
	c, err := Dial(t.Context(), DialConfig{Addr: addr, Database: "postgres", User: "postgres", TLS: TLS{Mode: SSLPrefer}})
	require.NoError(t, err)
	assert.Nil(t, c.Wire.TLS())
	c.close()
	_, err = Dial(t.Context(), DialConfig{Addr: addr, Database: "postgres", User: "postgres", TLS: TLS{Mode: SSLRequire}})
	require.ErrorIs(t, err, errNoTLS)
}

// TestPreferFallsBack: a server that says it can and then cannot is asked again without.
func TestPreferFallsBack(t *testing.T) {
	var attempts atomic.Int64
	addr := scripted(t, func(c *pgwire.Conn, r *pgwire.Reader) {
		if attempts.Add(1)%2 == 1 {
			if _, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength); err == nil {
				_ = c.Write([]byte("Snonsense that is no handshake"))
			}
			return
		}
		if greet(c, r) {
			untilGone(r)
		}
	})
	c, err := Dial(t.Context(), DialConfig{Addr: addr, Database: "d", User: "u", TLS: TLS{Mode: SSLPrefer}, ConnectTimeout: patience})
	require.NoError(t, err)
	assert.Nil(t, c.Wire.TLS())
	c.close()
	_, err = Dial(t.Context(), DialConfig{Addr: addr, Database: "d", User: "u", TLS: TLS{Mode: SSLRequire}, ConnectTimeout: patience})
	require.Error(t, err)
}

func TestSSLModes(t *testing.T) {
	for _, name := range sslModeNames {
		m, err := ParseSSLMode(name)
		require.NoError(t, err)
		assert.Equal(t, name, m.String())
	}
	_, err := ParseSSLMode("verify")
	require.ErrorContains(t, err, "write disable, prefer or require")
}
