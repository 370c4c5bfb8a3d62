package instance_test

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

const ownPID = "SELECT pg_backend_pid()"

// What BackendKeyData says is what pg_backend_pid() says, for every session that has a server connection to be at home on.
func TestBackendPID(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 3
		c.Pool.AcquireTimeout = parityTimeout
	})
	a, b := connect(t, f.dsn("postgres")), connect(t, f.dsn("postgres"))
	assert.NotEqual(t, a.PgConn().PID(), b.PgConn().PID())
	for range 3 { // whoever uses the others' connections in between
		exec(t, a, "SELECT 1", "BEGIN", "SELECT 2", "COMMIT")
		exec(t, b, "SELECT 3")
	}
	for _, conn := range []interface{ PID() uint32 }{a.PgConn(), b.PgConn()} {
		direct := connect(t, bed.Primary().DSN("postgres"))
		awaitTrue(t, direct, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $1", int(conn.PID()))
	}
	for range 3 {
		pid, _ := one(t, a, ownPID)
		assert.Equal(t, strconv.Itoa(int(a.PgConn().PID())), pid)
		pid, _ = one(t, b, ownPID)
		assert.Equal(t, strconv.Itoa(int(b.PgConn().PID())), pid)
	}
	assert.Contains(t, lastOf(t, a).pin, "backend_pid")
	c, d := connect(t, f.dsn("postgres")), connect(t, f.dsn("postgres"))
	assert.Less(t, c.PgConn().PID(), uint32(1<<22))
	assert.GreaterOrEqual(t, d.PgConn().PID(), uint32(1<<30), "made up: all connections are somebody's home")
	first, _ := one(t, d, ownPID) // no matter what, it stays what it was
	exec(t, d, "SELECT 1")
	again, _ := one(t, d, ownPID)
	assert.Equal(t, first, again)
}

// A client that lists the server's processes without itself keeps no connection.
func TestMonitoringDoesNotPin(t *testing.T) {
	f := start(t, bed, nil)
	conn := connect(t, f.dsn("postgres"))
	known(t, conn, "SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	exec(t, conn, "SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	assert.NotContains(t, lastOf(t, conn).pin, "backend_pid")
}

// An administrator who ends the process that a client knows as its own ends the client, idle or not.
func TestTerminateEndsTheClient(t *testing.T) {
	f := start(t, bed, poolOf(3))
	admin := connect(t, f.dsn("postgres"))
	terminate := func(w *wireSession) {
		t.Helper()
		ok, _ := one(t, admin, "SELECT pg_terminate_backend("+strconv.Itoa(int(binary.BigEndian.Uint32(w.key)))+", 5000)")
		require.Equal(t, "t", ok)
	}
	idle := openWire(t, addrOf(f), "postgres")
	terminate(idle)
	idle.wait(0, 1) // without a word of its own
	assert.Contains(t, idle.last('E'), "C57P01")

	speaks := openWire(t, addrOf(f), "postgres")
	terminate(speaks)
	used := time.Now() // a connection used a moment ago is lent unseen; see checkAfter in package backend
	require.Eventually(t, func() bool { return time.Since(used) > 5*time.Millisecond }, parityTimeout, time.Millisecond)
	speaks.query("SELECT 1")
	speaks.wait(0, 1)
	assert.Contains(t, speaks.last('E'), "SFATAL")
	assert.Contains(t, speaks.last('E'), "C57P01")

	inside := openWire(t, addrOf(f), "postgres")
	inside.query("BEGIN; SELECT 1")
	inside.wait('Z', 1)
	terminate(inside)
	inside.wait(0, 1)
	assert.Contains(t, inside.last('E'), "C57P01")
	exec(t, admin, "SELECT 'others live'")
}
