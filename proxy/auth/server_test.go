package auth

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

var servers *testbed.Cluster

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, testbed.Options{}, func(c *testbed.Cluster) { servers = c }))
}

func sql(t *testing.T, statements ...string) {
	t.Helper()
	require.NoError(t, servers.Primary().Exec(context.Background(), "postgres", statements...))
}

func testLookup(t *testing.T, cfg Config) *QueryLookup {
	q := NewQueryLookup(cfg, LookupDeps{Log: zap.NewNop(), Connect: func(ctx context.Context) (*pgx.Conn, error) {
		return servers.Primary().Connect(ctx, "postgres")
	}})
	t.Cleanup(func() { require.NoError(t, q.Close(context.Background())) })
	return q
}

// serverLogin logs in to the real server and reads on to its ReadyForQuery.
func serverLogin(t *testing.T, user string, cred *Credentials) error {
	nc, err := net.Dial("tcp", servers.Primary().Addr())
	require.NoError(t, err)
	c := pgwire.NewConn(nc)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	require.NoError(t, c.Write(pgwire.AppendStartup(nil, pgwire.Version30, pgwire.Param{Name: "user", Value: user}, pgwire.Param{Name: "database", Value: "postgres"})))
	r := pgwire.NewReader(c, 0)
	if err := Login(c, r, user, cred, nil); err != nil {
		return err
	}
	for {
		f, err := r.Next()
		require.NoError(t, err)
		switch f.Type {
		case pgwire.MsgErrorResponse:
			return NewResponder(user, cred).Refused(f.Body)
		case pgwire.MsgReadyForQuery:
			return nil
		}
	}
}

// The whole way: pgx logs in with a password that we never see, under the secret that a
// real server keeps, and its proof opens that server.
func TestClientProofOpensServer(t *testing.T) {
	sql(t, `CREATE ROLE ann LOGIN PASSWORD 'pass wörd'`)
	q := testLookup(t, DefaultConfig())
	var cred *Credentials
	require.NoError(t, serveOnce(t, New(DefaultConfig(), Deps{Lookup: q}), "ann", "pass wörd", func(c *Credentials) error {
		cred = c
		return serverLogin(t, "ann", c)
	}))

	// Without the salt the server itself has to tell that the keys are old.
	sql(t, `ALTER ROLE ann PASSWORD 'other'`)
	var stale *StaleKeysError
	require.ErrorAs(t, serverLogin(t, "ann", cred), &stale)
	require.ErrorAs(t, serverLogin(t, "ann", &Credentials{ClientKey: cred.ClientKey, ServerKey: cred.ServerKey}), &stale)
	var refused *ServerError
	require.ErrorAs(t, stale, &refused)
	require.Equal(t, "28P01", refused.Code)
}

func TestLoginWithPassword(t *testing.T) {
	sql(t, `CREATE ROLE bob LOGIN PASSWORD 's3cret'`, `CREATE ROLE carol LOGIN IN ROLE trusted`)
	require.NoError(t, serverLogin(t, "bob", &Credentials{Password: "s3cret"}))
	require.NoError(t, serverLogin(t, "carol", nil))

	var refused *ServerError
	require.ErrorAs(t, serverLogin(t, "bob", &Credentials{Password: "wrong"}), &refused)
	require.Equal(t, "28P01", refused.Code)
	require.Contains(t, string(refused.Body), `password authentication failed for user "bob"`)
	var missing *MissingCredentialsError
	require.ErrorAs(t, serverLogin(t, "bob", nil), &missing)
	require.Contains(t, missing.Error(), "auth.method: scram-sha-256")
}

// md5 and cleartext, asked for by a pg_hba.conf that is put in front of the testbed's.
func TestLoginOldMethods(t *testing.T) {
	sql(t, `SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'pw'`, `CREATE ROLE clear LOGIN PASSWORD 'pw'`)
	conn, err := servers.Primary().Connect(context.Background(), "postgres")
	require.NoError(t, err)
	defer conn.Close(context.Background())
	var path, hba string
	require.NoError(t, conn.QueryRow(context.Background(), `SHOW hba_file`).Scan(&path))
	// Read first: COPY TO empties the file before its query runs.
	require.NoError(t, conn.QueryRow(context.Background(), `SELECT pg_read_file($1)`, path).Scan(&hba))
	hba = "host all old all md5\nhost all clear all password\n" + hba
	sql(t, fmt.Sprintf(`COPY (SELECT string_to_table('%s', E'\n')) TO '%s'`, hba, path), `SELECT pg_reload_conf()`)

	for _, user := range []string{"old", "clear"} {
		var missing *MissingCredentialsError
		require.Eventually(t, func() bool { return serverLogin(t, user, &Credentials{Password: "pw"}) == nil }, 10*time.Second, 20*time.Millisecond, user)
		require.ErrorAs(t, serverLogin(t, user, &Credentials{ClientKey: make([]byte, 32), ServerKey: make([]byte, 32)}), &missing, user)
		var refused *ServerError
		require.ErrorAs(t, serverLogin(t, user, &Credentials{Password: "wrong"}), &refused, user)
		require.Equal(t, "28P01", refused.Code)
	}
}

func TestQueryLookup(t *testing.T) {
	sql(t, `CREATE ROLE l1 LOGIN PASSWORD 'x'`, `CREATE ROLE l2 NOLOGIN VALID UNTIL '2001-01-01 00:00:00Z'`,
		`CREATE ROLE l3 LOGIN VALID UNTIL 'infinity'`, `CREATE ROLE l4 LOGIN VALID UNTIL '-infinity'`)
	q := testLookup(t, DefaultConfig())
	get := func(user string) Secret {
		s, err := q.Secret(context.Background(), user)
		require.NoError(t, err)
		return s
	}
	s := get("l1")
	require.True(t, s.Found && s.CanLogin && s.ValidUntil.IsZero())
	_, err := parseSecret(s.Password)
	require.NoError(t, err)
	s = get("l2")
	require.True(t, s.Found && !s.CanLogin && s.Password == "")
	require.Equal(t, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), s.ValidUntil.UTC())
	require.True(t, get("l3").ValidUntil.IsZero())
	require.True(t, get("l4").ValidUntil.Before(time.Now()))
	require.Equal(t, Secret{}, get("nobody"))

	sql(t, `CREATE ROLE nobody LOGIN`, `ALTER ROLE l1 NOLOGIN`)
	require.True(t, get("nobody").Found, "that a role does not exist is not remembered")
	q.Forget("l1")
	require.False(t, get("l1").CanLogin)
}

// The connection dies while idle: the next lookup opens another.
func TestLookupReconnects(t *testing.T) {
	cfg := DefaultConfig()
	cfg.CacheTTL = 0
	q := testLookup(t, cfg)
	_, err := q.Secret(context.Background(), "postgres")
	require.NoError(t, err)
	sql(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	s, err := q.Secret(context.Background(), "postgres")
	require.NoError(t, err)
	require.True(t, s.Found)
}

// Neither a temporary nor a public table stands in for pg_authid in auth.query.
func TestLookupPinsSearchPath(t *testing.T) {
	sql(t, `CREATE TABLE public.pg_authid (rolname name, rolpassword text)`, `INSERT INTO public.pg_authid VALUES ('eve', 'planted')`,
		`ALTER ROLE postgres SET search_path = public, pg_catalog`)
	defer sql(t, `DROP TABLE public.pg_authid`, `ALTER ROLE postgres RESET search_path`)
	cfg := DefaultConfig()
	cfg.Query = `SELECT rolpassword FROM pg_authid WHERE rolname = $1`
	s, err := testLookup(t, cfg).Secret(context.Background(), "eve")
	require.NoError(t, err)
	require.False(t, s.Found)
}

func TestLookupErrors(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Query = `SELECT 1, 2, 3, 4 WHERE $1 <> ''`
	_, err := testLookup(t, cfg).Secret(context.Background(), "x")
	require.ErrorContains(t, err, "auth.query returns 4 columns")
	cfg.Query = `SELECT nothing`
	q := testLookup(t, cfg)
	_, err = q.Secret(context.Background(), "x")
	require.ErrorContains(t, err, "auth.query")

	_, serverErr, _ := login(t, New(DefaultConfig(), Deps{Lookup: q}), "x", &Credentials{Password: "y"})
	var refused *Error
	require.ErrorAs(t, serverErr, &refused)
	require.Equal(t, ReasonLookup, refused.Reason)
	require.Equal(t, "57P03", refused.Code)
	require.NotContains(t, refused.Message, "auth.query", "the client is not told more")
}

// Many at once, some of whom give up: each who stays gets the answer.
func TestConcurrentLookups(t *testing.T) {
	cfg := DefaultConfig()
	cfg.CacheTTL = 0
	q := testLookup(t, cfg)
	var wg sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%4 == 0 {
				cancel()
				_, _ = q.Secret(ctx, "postgres")
				return
			}
			var s Secret
			if s, errs[i] = q.Secret(ctx, "postgres"); errs[i] == nil && !s.Found {
				errs[i] = fmt.Errorf("not found")
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}
