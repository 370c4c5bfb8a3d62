package instance_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/instance"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

func clientEffects() []effect {
	return []effect{
		{"listen", []string{"listen"}, showListen},
		trial{keys: []string{"admin_listen"}, see: seeAdmin, steps: []step{
			{nil, ready},
			{func(cfg *configs.Config) { cfg.Proxy.AdminListen = "" }, "no HTTP"},
		}}.effect("admin_listen"),
		trial{keys: []string{"max_clients"}, see: seeSecondClient, steps: []step{
			{func(cfg *configs.Config) { cfg.Proxy.MaxClients = 2 }, "ok"},
			{func(cfg *configs.Config) { cfg.Proxy.MaxClients = 1 }, "53300"},
		}}.effect("max_clients"),
		trial{keys: []string{"login_timeout"}, see: seeHalfOpen, steps: []step{
			{nil, "kept"},
			{func(cfg *configs.Config) { cfg.Proxy.LoginTimeout = soon / 8 }, "dropped"},
		}}.effect("login_timeout"),
		{"shutdown_timeout", []string{"shutdown_timeout"}, showShutdown},
		trial{keys: []string{"admin_users"}, see: seeConsole, steps: []step{
			{nil, "42501"},
			{func(cfg *configs.Config) { cfg.Proxy.AdminUsers = []string{"somebody", "postgres"} }, "ok"},
		}}.effect("admin_users"),
		trial{keys: []string{"stats_users"}, see: seeConsole, steps: []step{
			{func(cfg *configs.Config) { cfg.Proxy.StatsUsers = []string{"somebody"} }, "42501"},
			{func(cfg *configs.Config) { cfg.Proxy.StatsUsers = []string{"postgres"} }, "ok"},
		}}.effect("stats_users"),
		{"tls", []string{"tls.mode", "tls.cert", "tls.key"}, showTLS},
		{"auth", []string{"auth.method", "auth.query", "auth.cache_ttl"}, showAuth},
		{"log.level", []string{"log.level"}, showLogLevel},
	}
}

func showListen(t *testing.T) {
	dir := t.TempDir()
	f := start(t, bed, func(cfg *configs.Config) { cfg.Proxy.Listen = []string{"127.0.0.1:0", "unix:" + dir, "127.0.0.1:0"} })
	require.Len(t, f.Addrs(), 3)
	third := strconv.Itoa(f.Addrs()[2].(*net.TCPAddr).Port)
	for _, where := range []string{"host=" + dir + " port=6432", "host=127.0.0.1 port=" + third} {
		require.Equal(t, "ok", login(t, where+" user=postgres dbname="+keysDB+" sslmode=disable"), where)
	}
}

func seeConsole(t *testing.T, f *front) string { return login(t, f.dsn(console)) }

func seeAdmin(t *testing.T, f *front) string {
	if f.AdminAddr() == nil {
		return "no HTTP"
	}
	return readiness(t, f)
}

// seeSecondClient tries for a while: clients of earlier looks may not have been noticed to be gone.
func seeSecondClient(t *testing.T, f *front) string {
	var first *pgx.Conn
	until(t, "the first client is admitted", func() bool {
		var err error
		first, err = pgx.Connect(t.Context(), f.dsn(keysDB))
		return err == nil
	})
	defer func() { _ = first.Close(t.Context()) }()
	second := login(t, f.dsn(keysDB))
	for end := time.Now().Add(soon); second != "ok" && time.Now().Before(end); {
		second = login(t, f.dsn(keysDB))
	}
	return second
}

func seeHalfOpen(t *testing.T, f *front) string {
	conn, err := net.Dial("tcp", f.Addrs()[0].String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte{0, 0})
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
	if _, err = conn.Read(make([]byte, 1)); err == io.EOF {
		return "dropped"
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	return "kept"
}

// showShutdown stops an aioproxy during a transaction, under the time it was started with and under one that a reload set.
func showShutdown(t *testing.T) {
	const timeoutOfStart = time.Minute
	for _, reloaded := range []bool{false, true} {
		timeout := timeoutOfStart
		cfg, err := configs.Load("", func(cfg *configs.Config) {
			cfg.Proxy.Listen, cfg.Proxy.AdminListen = []string{"127.0.0.1:0"}, ""
			cfg.Cluster.Nodes, cfg.Auth.Method = bed.Addrs(), auth.MethodTrust
			cfg.Proxy.ShutdownTimeout = timeout
		})
		require.NoError(t, err)
		in, err := instance.New(t.Context(), cfg, zap.NewNop(), nil)
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		accepting, ended := make(chan struct{}), make(chan error, 1)
		var run sync.WaitGroup
		run.Go(func() { ended <- in.Run(ctx, func() { close(accepting) }) })
		t.Cleanup(func() { stop(); run.Wait() })
		<-accepting
		addr := in.Addrs()[0].(*net.TCPAddr)
		conn := connect(t, "host=127.0.0.1 port="+strconv.Itoa(addr.Port)+" user=postgres dbname="+keysDB+" sslmode=disable")
		exec(t, conn, "BEGIN", "SELECT 1 FROM items")
		if reloaded {
			timeout = 0
			require.NoError(t, in.Reload())
		}
		stop()
		until(t, "nobody is accepted", func() bool {
			c, err := net.Dial("tcp", addr.String())
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		if reloaded {
			select {
			case err := <-ended:
				require.NoError(t, err)
			case <-time.After(timeoutOfStart / 4):
				t.Fatal("the transaction is waited for")
			}
			require.NotEqual(t, "ok", attempt(t, conn, "COMMIT"))
			continue
		}
		exec(t, conn, "SELECT 1 FROM items", "COMMIT")
		require.NoError(t, <-ended)
	}
}

// certificate writes a self-signed certificate and its key and returns their paths.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

func showTLS(t *testing.T) {
	cert, key := certificate(t, "one")
	other, otherKey := certificate(t, "other")
	for _, c := range []struct{ mode, cert, key, offered, plain string }{
		{"disable", cert, key, "N", "ok"},
		{"allow", cert, key, "one", "ok"},
		{"prefer", cert, key, "one", "ok"},
		{"prefer", other, otherKey, "other", "ok"},
		{"prefer", "", "", "N", "ok"},
		{"require", cert, key, "one", "28000"},
	} {
		f := start(t, bed, func(cfg *configs.Config) {
			cfg.Proxy.TLS.Mode, cfg.Proxy.TLS.Cert, cfg.Proxy.TLS.Key = c.mode, c.cert, c.key
		})
		require.Equal(t, c.offered, offeredTLS(t, f), "%+v", c)
		require.Equal(t, c.plain, login(t, f.dsn(keysDB)), "%+v", c)
	}
	mode := "prefer"
	f := start(t, bed, func(cfg *configs.Config) {
		cfg.Proxy.TLS.Mode, cfg.Proxy.TLS.Cert, cfg.Proxy.TLS.Key = mode, cert, key
	})
	mode = "require"
	require.NoError(t, f.Reload())
	require.Equal(t, "ok", login(t, f.dsn(keysDB)), "tls needs a restart")
	cfg := configs.Default()
	cfg.Proxy.TLS.Cert, cfg.Proxy.TLS.Key = cert, otherKey
	_, err := instance.New(t.Context(), &cfg, zap.NewNop(), nil)
	require.ErrorContains(t, err, "tls: ")
}

// offeredTLS is the answer to an SSLRequest: N, or the name in the certificate.
func offeredTLS(t *testing.T, f *front) string {
	t.Helper()
	conn, err := net.Dial("tcp", f.Addrs()[0].String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877103))
	require.NoError(t, err)
	answer := make([]byte, 1)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	if answer[0] != 'S' {
		return string(answer)
	}
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, secured.HandshakeContext(t.Context()))
	return secured.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func showAuth(t *testing.T) {
	user := guest(t, "keys_login", "PASSWORD 'first' IN ROLE trusted")
	password := func(p string) {
		require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "ALTER ROLE "+user+" PASSWORD '"+p+"'"))
	}
	scram := func(change change) *front {
		return start(t, bed, join(func(cfg *configs.Config) { cfg.Auth.Method = auth.MethodSCRAM }, change))
	}
	trusting := start(t, bed, nil)
	require.Equal(t, "ok", login(t, trusting.as(user, "wrong")))
	asking := scram(func(cfg *configs.Config) { cfg.Auth.CacheTTL = 0 })
	require.Equal(t, "28P01", login(t, asking.as(user, "wrong")))
	require.Equal(t, "ok", login(t, asking.as(user, "first")))
	remembering := scram(func(cfg *configs.Config) { cfg.Auth.CacheTTL = time.Minute })
	require.Equal(t, "ok", login(t, remembering.as(user, "first")))
	other := scram(func(cfg *configs.Config) { cfg.Auth.Query += " AND rolname <> '" + user + "'" })
	require.Equal(t, "28P01", login(t, other.as(user, "first")))
	password("second")
	require.Equal(t, "28P01", login(t, asking.as(user, "first")))
	require.Equal(t, "ok", login(t, remembering.as(user, "first")))
}

func showLogLevel(t *testing.T) {
	level, told := "warn", ""
	cfg, err := configs.Load("", func(cfg *configs.Config) {
		cfg.Proxy.AdminListen, cfg.Cluster.Nodes, cfg.Auth.Method, cfg.Log.Level = "", bed.Addrs(), auth.MethodTrust, level
	})
	require.NoError(t, err)
	in, err := instance.New(t.Context(), cfg, zap.NewNop(), func(l string) error { told = l; return nil })
	require.NoError(t, err)
	level = "debug"
	require.NoError(t, in.Reload())
	require.Equal(t, "debug", told)
	require.True(t, testExists(t, "cmd/aioproxy.TestLogLevelChangesForLoggersHandedOut"))
}
