package instance_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// parityTimeout bounds every wait of a script.
const parityTimeout = 5 * time.Second

// TestParity replays every script of testdata/parity directly to the primary and through the proxy, and compares what each
// session received, byte for byte but for process ids, secret keys and the oids of what the script created.
func TestParity(t *testing.T) {
	files, err := filepath.Glob("testdata/parity/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	admin := connect(t, bed.Primary().DSN("postgres"))
	exec(t, admin, "CREATE DATABASE parity", "CREATE ROLE parity_guest LOGIN IN ROLE trusted")
	t.Cleanup(func() {
		ctx := context.Background()
		_, err := admin.Exec(ctx, "DROP DATABASE parity WITH (FORCE)")
		require.NoError(t, err)
		_, err = admin.Exec(ctx, "DROP ROLE parity_guest")
		require.NoError(t, err)
	})
	fronts := map[int]*front{}
	through := func(connections int) string {
		if fronts[connections] == nil {
			fronts[connections] = start(t, bed, func(c *configs.Config) {
				c.Pool.MaxConnections = connections
				c.Pool.AcquireTimeout = parityTimeout
			})
		}
		return fronts[connections].Addrs()[0].String()
	}
	helper := connect(t, bed.Primary().DSN("parity"))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			script := parseScript(t, string(text))
			want := script.run(t, helper, bed.Primary().Addr())
			addr := through(script.connections)
			got := script.run(t, helper, addr)
			for name, stream := range want {
				assert.NotContains(t, stream, timedOut, "session %s, direct", name)
				compareStreams(t, name, stream, got[name])
			}
		})
	}
}

// compareStreams shows where two streams part, in few words: messages may be long.
func compareStreams(t *testing.T, session string, want, got []string) {
	t.Helper()
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	if at == len(want) && at == len(got) {
		return
	}
	t.Errorf("session %s, from message %d:\ndirect: %s\nproxy:  %s", session, at, excerpt(want[at:]), excerpt(got[at:]))
}

func excerpt(stream []string) string {
	var b strings.Builder
	for _, m := range stream[:min(len(stream), 6)] {
		b.WriteString("\n\t" + m[:min(len(m), 300)])
	}
	return b.String()
}

// run carries the script out against a server and returns what each session received.
func (s *script) run(t *testing.T, helper *pgx.Conn, addr string) map[string][]string {
	r := &scriptRun{t: t, addr: addr, helper: helper, loose: s.loose, sessions: map[string]*wireSession{}}
	defer r.close()
	for _, st := range s.steps {
		if r.line = st.line; r.timedOut() {
			break // one silence is enough to know
		}
		switch st.session {
		case "sql":
			exec(t, helper, st.text)
		case "await":
			awaitTrue(t, helper, st.text)
		default:
			r.step(&st)
		}
	}
	streams := map[string][]string{}
	for name, w := range r.sessions {
		w.finish()
		streams[name] = w.stream
	}
	return streams
}

// exec runs statements one by one.
func exec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err, sql)
	}
}

// awaitTrue polls until a query's one value is true.
func awaitTrue(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	require.Eventually(t, func() bool {
		var ok bool
		require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&ok), sql)
		return ok
	}, parityTimeout, 10*time.Millisecond, sql)
}
