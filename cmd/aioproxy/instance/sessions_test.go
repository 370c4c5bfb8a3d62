package instance_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

// runningQuery is true while n statements with this text run.
const runningQuery = "SELECT count(*) = $2 FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%' AND state = 'active' AND pid <> pg_backend_pid()"

func poolOf(n int) func(*configs.Config) {
	return func(c *configs.Config) { c.Pool.MaxConnections = n }
}

// last is the text of the newest message of a type.
func (w *wireSession) last(typ byte) string {
	for i := len(w.stream) - 1; i >= 0; i-- {
		if w.stream[i][0] == typ && w.stream[i] != timedOut {
			return w.stream[i]
		}
	}
	return ""
}

// Of many sessions that share two server connections only the one that asks for it is cancelled.
func TestCancelHitsItsOwnStatementOnly(t *testing.T) {
	f := start(t, bed, poolOf(2))
	direct := connect(t, bed.Primary().DSN("postgres"))
	victim := openWire(t, addrOf(f), "postgres")
	var others sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		w := openWire(t, addrOf(f), "postgres")
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				w.query("SELECT 1")
				if w.wait('Z', 1); w.last('E') != "" || w.silent {
					t.Errorf("another session got %q", w.stream)
					return
				}
				w.stream = w.stream[:0]
			}
		})
	}
	for range 20 {
		victim.query("SELECT 'cancel victim', pg_sleep(60)")
		awaitTrue(t, direct, runningQuery, "cancel victim", 1)
		cancelWire(t, addrOf(f), victim.key)
		victim.wait('Z', 1)
		assert.Contains(t, victim.last('E'), "C57014")
		for range 3 {
			cancelWire(t, addrOf(f), victim.key) // idle: nothing
		}
		victim.query("SELECT 'victim goes on'")
		victim.stream = nil
		victim.wait('Z', 1)
		assert.Empty(t, victim.last('E'))
	}
	close(done)
	others.Wait()
}

func TestCancelWithTheWrongKeyDoesNothing(t *testing.T) {
	f := start(t, bed, nil)
	direct := connect(t, bed.Primary().DSN("postgres"))
	w := openWire(t, addrOf(f), "postgres")
	w.query("SELECT 'wrong key', pg_sleep(1)")
	awaitTrue(t, direct, runningQuery, "wrong key", 1)
	key := append([]byte(nil), w.key...)
	key[len(key)-1] ^= 1
	cancelWire(t, addrOf(f), key)
	w.wait('Z', 1)
	require.Empty(t, w.last('E'))
}

// A client that waits for a connection can be cancelled there; who holds the connection is not touched.
func TestCancelWhileWaitingForAConnection(t *testing.T) {
	f := start(t, bed, poolOf(1))
	holder := openWire(t, addrOf(f), "postgres")
	waiter := openWire(t, addrOf(f), "postgres")
	holder.query("BEGIN; SELECT 1")
	holder.wait('Z', 1)
	waiter.query("SELECT 'never'")
	require.Eventually(t, func() bool {
		cancelWire(t, addrOf(f), waiter.key)
		select {
		case m := <-waiter.messages:
			return m.typ == 'E' && strings.Contains(m.text, "C57014")
		default:
			return false
		}
	}, parityTimeout, 10*time.Millisecond)
	waiter.wait('Z', 1)
	holder.query("COMMIT")
	holder.wait('Z', 1)
	require.Empty(t, holder.last('E'))
	waiter.query("SELECT 'now'")
	waiter.wait('Z', 1)
	require.Equal(t, `Z "I"`, waiter.last('Z'))
	require.Contains(t, waiter.last('D'), "now")
}

// The statement of a client that vanished is cancelled, and its connection serves the next.
func TestVanishedClient(t *testing.T) {
	f := start(t, bed, poolOf(1))
	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "DROP TABLE IF EXISTS vanish", "CREATE TABLE vanish(a int)")
	w := openWire(t, addrOf(f), "postgres")
	w.query("SELECT 'vanished client', pg_sleep(60)")
	awaitTrue(t, direct, runningQuery, "vanished client", 1)
	w.close("dropped")
	awaitTrue(t, direct, runningQuery, "vanished client", 0)
	next := connect(t, f.dsn("postgres"))
	exec(t, next, "SELECT 1")

	w = openWire(t, addrOf(f), "postgres")
	w.query("BEGIN; LOCK TABLE vanish; INSERT INTO vanish VALUES (1)")
	w.wait('Z', 1)
	w.close("dropped")
	awaitTrue(t, direct, "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'vanish'::regclass)")
	awaitTrue(t, next, "SELECT count(*) = 0 FROM vanish")

	w = openWire(t, addrOf(f), "postgres")
	w.query("COPY vanish FROM STDIN")
	w.wait('G', 1)
	w.send(frames.C("CopyData", "1\n"))
	w.close("dropped")
	awaitTrue(t, next, "SELECT count(*) = 0 FROM vanish")
}

// A server connection that is ended in the middle of something tells its client why; see also TestTerminateEndsTheClient.
func TestServerBackendTerminated(t *testing.T) {
	f := start(t, bed, poolOf(2))
	direct := connect(t, bed.Primary().DSN("postgres"))
	kill := func(name string) {
		exec(t, direct, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%"+name+"%' AND pid <> pg_backend_pid()")
		awaitTrue(t, direct, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid())", name)
	}
	w := openWire(t, addrOf(f), "postgres")
	w.query("BEGIN; SELECT 'terminate leased'")
	w.wait('Z', 1)
	kill("terminate leased")
	w.wait(0, 1)
	require.Contains(t, w.last('E'), "SFATAL")
	require.Contains(t, w.last('E'), "C57P01")

	w = openWire(t, addrOf(f), "postgres")
	w.query("BEGIN; SELECT 'terminate busy', pg_sleep(60)")
	awaitTrue(t, direct, runningQuery, "terminate busy", 1)
	kill("terminate busy")
	w.wait(0, 1)
	require.Contains(t, w.last('E'), "C57P01")
	exec(t, connect(t, f.dsn("postgres")), "SELECT 1")
}

// Who came first is served first, and who waits too long is told so.
func TestPoolQueue(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 1
		c.Pool.AcquireTimeout = 500 * time.Millisecond
	})
	holder := openWire(t, addrOf(f), "postgres")
	late := openWire(t, addrOf(f), "postgres")
	holder.query("BEGIN; SELECT 1")
	holder.wait('Z', 1)
	late.query("SELECT 'late'")
	late.wait('Z', 1)
	require.Contains(t, late.last('E'), "C53300")
	require.Contains(t, late.last('E'), "max_connections")
	require.Equal(t, `Z "I"`, late.last('Z'))
	late.send(frames.C("Parse", "", "SELECT 'late'"), frames.C("Bind", "", ""),
		frames.C("Execute", ""), frames.C("Sync"))
	late.wait('Z', 1)
	require.Contains(t, late.last('E'), "C53300")

	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "DROP TABLE IF EXISTS queue_order", "CREATE TABLE queue_order(at serial, who int)")
	g := start(t, bed, poolOf(1))
	first := openWire(t, addrOf(g), "postgres")
	first.query("BEGIN; SELECT 1")
	first.wait('Z', 1)
	var queue []*wireSession
	metric := func() int { return waitingClients(t, g) }
	for i := range 5 {
		w := openWire(t, addrOf(g), "postgres")
		w.query(fmt.Sprintf("INSERT INTO queue_order(who) VALUES (%d)", i))
		require.Eventually(t, func() bool { return metric() == i+1 }, parityTimeout, 5*time.Millisecond)
		queue = append(queue, w)
	}
	first.query("COMMIT")
	for _, w := range queue {
		w.wait('Z', 1)
		require.Empty(t, w.last('E'))
	}
	awaitTrue(t, direct, "SELECT array_agg(who ORDER BY at) = '{0,1,2,3,4}' FROM queue_order")
}

// A stop lets running transactions finish, refuses new clients and tells idle ones.
func TestGracefulStop(t *testing.T) {
	f := start(t, bed, nil)
	idle := openWire(t, addrOf(f), "postgres")
	tx := openWire(t, addrOf(f), "postgres")
	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "DROP TABLE IF EXISTS graceful", "CREATE TABLE graceful(a int)")
	tx.query("BEGIN; INSERT INTO graceful VALUES (1)")
	tx.wait('Z', 1)
	f.stop()
	idle.wait(0, 1)
	require.Contains(t, idle.last('E'), "C57P01")
	require.Eventually(t, func() bool {
		_, err := pgx.Connect(t.Context(), f.dsn("postgres"))
		return err != nil
	}, parityTimeout, 10*time.Millisecond)
	tx.query("INSERT INTO graceful VALUES (2)")
	tx.wait('Z', 1)
	require.Equal(t, `Z "T"`, tx.last('Z'))
	tx.query("COMMIT")
	tx.wait('Z', 1)
	require.Contains(t, tx.last('C'), "COMMIT")
	tx.wait(0, 1)
	require.Contains(t, tx.last('E'), "C57P01")
	awaitTrue(t, direct, "SELECT count(*) = 2 FROM graceful")
}

// Wrong passwords and unknown roles hear from aioproxy what they hear from PostgreSQL.
func TestScramLogin(t *testing.T) {
	direct := connect(t, bed.Primary().DSN("postgres"))
	exec(t, direct, "DROP ROLE IF EXISTS scram_user", "CREATE ROLE scram_user LOGIN PASSWORD 'p''ss wörd'")
	t.Cleanup(func() {
		_, err := direct.Exec(context.Background(), "DROP ROLE scram_user")
		require.NoError(t, err)
	})
	f := start(t, bed, func(c *configs.Config) { c.Auth.Method = auth.MethodSCRAM })
	login := func(host string, port int, user, password string) (*pgx.Conn, error) {
		cfg, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d dbname=postgres sslmode=disable user=%s", host, port, user))
		require.NoError(t, err)
		cfg.Password = password
		return pgx.ConnectConfig(t.Context(), cfg)
	}
	conn, err := login(f.host, f.port, "scram_user", "p'ss wörd")
	require.NoError(t, err)
	var user string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT session_user").Scan(&user))
	require.Equal(t, "scram_user", user)
	require.NoError(t, conn.Close(t.Context()))
	for _, who := range [][2]string{{"scram_user", "wrong"}, {"scram_user", ""}, {"scram_nobody", "x"}} {
		_, want := login(bed.Primary().Host, bed.Primary().Port, who[0], who[1])
		_, got := login(f.host, f.port, who[0], who[1])
		var w, g *pgconn.PgError
		require.Equal(t, errors.As(want, &w), errors.As(got, &g), "%v: %v, %v", who, want, got)
		if w != nil {
			require.Equal(t, []string{w.Severity, w.Code, w.Message}, []string{g.Severity, g.Code, g.Message})
		}
	}
}

// waitingClients adds up the gauge of all pools.
func waitingClients(t *testing.T, f *front) int {
	sum := 0
	for line := range strings.Lines(fetchAdmin(t, f, "/metrics")) {
		if strings.HasPrefix(line, "aioproxy_backend_waiting_clients{") {
			sum += frames.Number(strings.TrimSpace(line[strings.LastIndex(line, " "):]))
		}
	}
	return sum
}

// Without a certificate requests for encryption get a no, and the client goes on in plain text.
func TestEncryptionIsRefused(t *testing.T) {
	f := start(t, bed, nil)
	run := &scriptRun{t: t, addr: addrOf(f), sessions: map[string]*wireSession{}}
	t.Cleanup(run.close)
	for _, st := range parseScript(t, "a: dial\na: gss\na: byte\na: ssl\na: byte\na: startup user=postgres database=postgres\na: wait").steps {
		run.step(&st)
	}
	stream := run.sessions["a"].stream
	require.Equal(t, []string{"'N' <nil>", "'N' <nil>"}, stream[:2])
	require.Equal(t, `Z "I"`, stream[len(stream)-1])
}
