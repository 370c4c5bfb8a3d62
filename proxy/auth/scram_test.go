package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

type lookupFunc func(ctx context.Context, user string) (Secret, error)

func (f lookupFunc) Secret(ctx context.Context, user string) (Secret, error) { return f(ctx, user) }

// makeSecret is what PostgreSQL stores for a password.
func makeSecret(t testing.TB, password, salt string, iterations int) string {
	salted, err := pbkdf2.Key(sha256.New, saslprep(password), []byte(salt), iterations, keyLen)
	require.NoError(t, err)
	enc := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, enc([]byte(salt)),
		enc(hash(mac(salted, "Client Key"))), enc(mac(salted, "Server Key")))
}

func secretOf(t testing.TB, password string) Secret {
	return Secret{Found: true, CanLogin: true, Password: makeSecret(t, password, "0123456789abcdef", 4096)}
}

func authenticator(s Secret) *Authenticator {
	return New(DefaultConfig(), Deps{Lookup: lookupFunc(func(context.Context, string) (Secret, error) { return s, nil })})
}

func wirePair(t testing.TB) (client, server *pgwire.Conn) {
	c, s := net.Pipe()
	client, server = pgwire.NewConn(c), pgwire.NewConn(s)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	require.NoError(t, client.SetDeadline(time.Now().Add(20*time.Second)))
	require.NoError(t, server.SetDeadline(time.Now().Add(20*time.Second)))
	return client, server
}

// login runs our client against our server.
func login(t testing.TB, a *Authenticator, user string, offer *Credentials) (got *Credentials, serverErr, clientErr error) {
	client, server := wirePair(t)
	var g errgroup.Group
	g.Go(func() error {
		got, serverErr = a.Authenticate(context.Background(), server, pgwire.NewReader(server, 0), user, "db")
		if serverErr != nil {
			return server.Close()
		}
		return nil
	})
	clientErr = Login(client, pgwire.NewReader(client, 0), user, offer, nil)
	_ = client.Close()
	require.NoError(t, g.Wait())
	return got, serverErr, clientErr
}

func TestSCRAMBothSides(t *testing.T) {
	a := authenticator(secretOf(t, "s3cret"))
	cred, serverErr, clientErr := login(t, a, "ann", &Credentials{Password: "s3cret"})
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	require.Len(t, cred.ClientKey, keyLen)

	// The keys alone now open the same lock, and no other.
	_, serverErr, clientErr = login(t, a, "ann", &Credentials{ClientKey: cred.ClientKey, ServerKey: cred.ServerKey})
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	other := authenticator(Secret{Found: true, CanLogin: true, Password: makeSecret(t, "s3cret", "another salt", 4096)})
	var stale *StaleKeysError
	_, _, clientErr = login(t, other, "ann", cred)
	require.ErrorAs(t, clientErr, &stale)
}

func TestRefusals(t *testing.T) {
	const password = "right"
	good := secretOf(t, password)
	change := func(f func(*Secret)) Secret { s := good; f(&s); return s }
	for name, c := range map[string]struct {
		secret Secret
		offer  string
		want   Error
	}{
		"wrong password": {good, "wrong", Error{Reason: ReasonWrongProof}},
		"unknown role":   {Secret{}, password, Error{Reason: ReasonUnknownRole}},
		"no password":    {change(func(s *Secret) { s.Password = "" }), password, Error{Reason: ReasonNoPassword}},
		"md5 password":   {change(func(s *Secret) { s.Password = "md5" + strings.Repeat("0", 32) }), password, Error{Reason: ReasonUnusableSecret}},
		"expired":        {change(func(s *Secret) { s.ValidUntil = time.Unix(1, 0) }), password, Error{Reason: ReasonExpired}},
		"no login": {
			change(func(s *Secret) { s.CanLogin = false }), password,
			Error{Reason: ReasonNoLogin, Code: "28000", Message: `role "ann" is not permitted to log in`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, serverErr, _ := login(t, authenticator(c.secret), "ann", &Credentials{Password: c.offer})
			if c.want.Code == "" {
				c.want.Code, c.want.Message = "28P01", `password authentication failed for user "ann"`
			}
			require.Equal(t, &c.want, serverErr)
		})
	}
}

func TestMockSecretIsStable(t *testing.T) {
	k := newMockKey()
	require.Equal(t, k.secret("a"), k.secret("a"))
	require.NotEqual(t, k.secret("a").salt, k.secret("b").salt)
	require.NotEqual(t, k.secret("a").salt, newMockKey().secret("a").salt)
}

// talk plays a client that sends what it is told; %s in the final message is the nonce.
func talk(t *testing.T, first, final string) error {
	client, server := wirePair(t)
	var g errgroup.Group
	var serverErr error
	g.Go(func() error {
		_, serverErr = authenticator(secretOf(t, "x")).Authenticate(context.Background(), server, pgwire.NewReader(server, 0), "ann", "db")
		return server.Close()
	})
	r := pgwire.NewReader(client, 0)
	_, err := r.Next()
	require.NoError(t, err)
	if client.Write(pgwire.AppendSASLInitialResponse(nil, mechanism, []byte(first))) == nil {
		if f, err := r.Next(); err == nil {
			nonce, _, _ := attribute(string(f.Body[4:]), 'r')
			_ = client.Write(pgwire.AppendSASLResponse(nil, []byte(strings.ReplaceAll(final, "%s", nonce))))
			_, _ = r.Next()
		}
	}
	require.NoError(t, g.Wait())
	return serverErr
}

func TestMalformedExchanges(t *testing.T) {
	proof := ",p=" + base64.StdEncoding.EncodeToString(make([]byte, keyLen))
	for _, c := range []struct{ first, final, code, detail string }{
		{"n,,n=,r=abc", "c=biws,r=%s" + proof, "28P01", ""},
		{"y,,n=,r=abc", "c=eSws,r=%s" + proof, "28P01", ""},
		{"y,,n=,r=abc", "c=biws,r=%s" + proof, "08P01", ""},
		{"n,,n=,r=abc", "c=eSws,r=%s" + proof, "08P01", ""},
		{"n,,n=,r=abc", "c=biws,r=abc" + proof, "08P01", "Nonce does not match."},
		{"n,,n=,r=abc", "c=biws,r=%s", "08P01", `Expected attribute "p" in client-final-message.`},
		{"n,,n=,r=abc", "c=biws,r=%s,p=AAAA", "08P01", "Malformed proof in client-final-message."},
		{"n,,n=,r=abc", "r=%s", "08P01", `Expected attribute "c" in client-final-message.`},
		{"n,,n=,r=abc", ",p=", "08P01", `Expected attribute "c" in client-final-message.`},
		{"p=tls-server-end-point,,n=,r=abc", "", "08P01", "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."},
		{"n,a=ann,n=,r=abc", "", "0A000", ""},
		{"n,,m=ext,n=,r=abc", "", "0A000", ""},
		{"n,,r=abc", "", "08P01", `Expected attribute "n" in client-first-message.`},
		{"n,,n=,r=", "", "08P01", ""},
		{"n,,n=,r=a b", "", "08P01", ""},
		{"x,,n=,r=abc", "", "08P01", "Unexpected channel-binding flag."},
		{"", "", "08P01", "The message is empty or too short."},
		{"n,,n=,r=" + strings.Repeat("x", 2000), "", "08P01", ""},
	} {
		var refused *Error
		require.ErrorAs(t, talk(t, c.first, c.final), &refused, "%s / %s", c.first, c.final)
		require.Equal(t, c.code, refused.Code, "%s / %s", c.first, c.final)
		require.Equal(t, c.detail, refused.Detail)
	}
}

func TestAuthenticateEndsWithContext(t *testing.T) {
	_, server := sockets(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	var g errgroup.Group
	var err error
	g.Go(func() error {
		_, err = authenticator(secretOf(t, "x")).Authenticate(ctx, server, pgwire.NewReader(server, 0), "ann", "db")
		return nil
	})
	cancel(context.DeadlineExceeded)
	require.NoError(t, g.Wait())
	require.Equal(t, context.DeadlineExceeded, err)
}

func sockets(t testing.TB) (client net.Conn, server *pgwire.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	nc, err := ln.Accept()
	require.NoError(t, err)
	server = pgwire.NewConn(nc)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

func TestTrustAndMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	a := New(Config{Method: MethodTrust}, Deps{Metrics: NewMetrics(reg)})
	_, serverErr, clientErr := login(t, a, "ann", nil)
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "aioproxy_auth_logins_total", families[0].GetName())
	m := families[0].GetMetric()
	require.Len(t, m, 1)
	require.EqualValues(t, 1, m[0].GetCounter().GetValue())
	require.Equal(t, "ok", m[0].GetLabel()[1].GetValue())
}

func TestParseSecret(t *testing.T) {
	good := makeSecret(t, "x", "salt", 4096)
	_, err := parseSecret(good)
	require.NoError(t, err)
	for _, bad := range []string{
		"", "md5abc", strings.Replace(good, "4096", "0", 1), strings.Replace(good, "4096", "99999999999", 1),
		strings.Replace(good, "4096", "20000000", 1), good[:len(good)-4], strings.Replace(good, ":", ";", 1), good + "=",
	} {
		_, err := parseSecret(bad)
		require.Error(t, err, bad)
	}
}

func TestSASLprep(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		"I\u00adX":         "IX",
		"a\u00a0b":         "a b",
		"\u00aa":           "a",
		"\u2168":           "IX",
		"pass\u0007\u00e9": "pass\u0007\u00e9",
		"\u0627\u0031":     "\u0627\u0031",
		"\xff\xfe":         "\xff\xfe",
		"\u00ad":           "\u00ad",
	} {
		require.Equal(t, want, saslprep(in), "%q", in)
	}
}

func TestConfig(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	require.NoError(t, Config{Method: MethodTrust}.Validate())
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Method: "md5"}, "auth.method: md5 is not supported yet"},
		{Config{Method: "cert"}, "auth.method: cert is not supported yet"},
		{Config{Method: "scram"}, "use scram-sha-256 or trust"},
		{Config{Method: MethodSCRAM}, "auth.query"},
		{Config{Method: MethodTrust, CacheTTL: time.Hour}, "auth.cache_ttl"},
	} {
		require.ErrorContains(t, c.cfg.Validate(), c.want)
	}
}

// FuzzSCRAM gives any bytes to both sides' parsers.
func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=,r=abc", "c=biws,r=abc,p=AAAA", "r=abc,s=c2FsdA==,i=1", "v=AAAA")
	f.Add("y,,n=x,r=abc", ",p=", "r=,s=,i=", "e=other-error")
	f.Fuzz(func(t *testing.T, first, final, serverFirst, serverFinal string) {
		s := &scramServer{secret: mockKey("k").secret("u"), doomed: ReasonUnknownRole}
		if s.clientFirst(first) == nil {
			if cred, err := s.clientFinal(final); err == nil {
				t.Errorf("accepted %q with %v", final, cred)
			}
		}
		c := newSCRAMClient(&Credentials{ClientKey: make([]byte, keyLen), ServerKey: make([]byte, keyLen)})
		_, _ = c.final(serverFirst)
		_, _ = c.final("r=" + c.nonce + serverFirst)
		if c.verify(serverFinal) == nil {
			t.Errorf("believed %q", serverFinal)
		}
		_, _ = parseSecret(first)
		_ = saslprep(final)
	})
}

// pgx's own client against our server.
func TestPgxClient(t *testing.T) {
	for password, ok := range map[string]bool{"pass wörd": true, "wrong": false} {
		err := serveOnce(t, authenticator(secretOf(t, "pass wörd")), "ann", password, func(*Credentials) error { return nil })
		if ok {
			require.NoError(t, err)
			continue
		}
		var pg *pgconn.PgError
		require.ErrorAs(t, err, &pg)
		require.Equal(t, "28P01", pg.Code)
		require.Equal(t, `password authentication failed for user "ann"`, pg.Message)
	}
}

// serveOnce lets pgx log in to a listener that runs a, and returns what pgx says; then,
// if that went well, what after says of the credentials.
func serveOnce(t *testing.T, a *Authenticator, user, password string, after func(*Credentials) error) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var g errgroup.Group
	var cred *Credentials
	g.Go(func() (err error) { cred, err = acceptOnce(ctx, ln, a); return err })
	conn, pgxErr := pgconn.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=%s password='%s' dbname=db sslmode=disable",
		ln.Addr().(*net.TCPAddr).Port, user, password))
	if pgxErr == nil {
		_ = conn.Close(ctx)
	}
	require.NoError(t, g.Wait())
	if pgxErr != nil {
		return pgxErr
	}
	return after(cred)
}

// acceptOnce is the little of a session that pgx needs.
func acceptOnce(ctx context.Context, ln net.Listener, a *Authenticator) (*Credentials, error) {
	nc, err := ln.Accept()
	if err != nil {
		return nil, err
	}
	c := pgwire.NewConn(nc)
	defer func() { _ = c.Close() }()
	r := pgwire.NewReader(c, 0)
	s, err := pgwire.ReadStartup(r, pgwire.MaxStartupLength)
	if err != nil {
		return nil, err
	}
	cred, err := a.Authenticate(ctx, c, r, s.Get("user"), s.Get("database"))
	if refused := new(Error); errors.As(err, &refused) {
		return nil, c.Write(pgwire.AppendErrorResponse(nil, &pgwire.ErrorFields{Severity: "FATAL", Code: refused.Code, Message: refused.Message}))
	}
	if err != nil {
		return nil, err
	}
	out := pgwire.AppendBackendKeyData(nil, 1, []byte("key!"))
	return cred, c.Write(pgwire.AppendReadyForQuery(out, pgwire.TxIdle))
}
