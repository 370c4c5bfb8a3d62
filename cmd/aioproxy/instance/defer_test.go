package instance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// A client that begins a transaction and then thinks has one soon: the server counts its time, and shows it.
func TestDeferredBeginDoesNotWaitLong(t *testing.T) {
	f := start(t, bed, poolOf(2))
	w := openWire(t, addrOf(f), "postgres")
	w.query("SET application_name = 'thinks'")
	w.wait('Z', 1)
	w.query("SET idle_in_transaction_session_timeout = '300ms'")
	w.wait('Z', 1)
	w.query("BEGIN")
	w.wait('Z', 1)
	direct := connect(t, bed.Primary().DSN("postgres"))
	awaitTrue(t, direct, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'thinks' AND state = 'idle in transaction')")
	w.wait(0, 1)
	assert.Contains(t, w.last('E'), "C25P03")
}

// An empty transaction needs no server connection at all.
func TestDeferredBeginNeedsNoConnection(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 1
		c.Pool.AcquireTimeout = 200 * time.Millisecond
	})
	w := openWire(t, addrOf(f), "postgres")
	holder := openWire(t, addrOf(f), "postgres")
	holder.query("BEGIN; SELECT 1")
	holder.wait('Z', 1)
	w.query("BEGIN")
	w.wait('Z', 1)
	w.query("COMMIT")
	w.wait('Z', 1)
	require.Empty(t, w.last('E'))

	// A transaction that cannot begin has failed: what follows must not run outside of it.
	w.query("BEGIN")
	w.wait('Z', 1)
	w.query("CREATE TABLE outside_of_it ()")
	w.wait('Z', 1)
	assert.Contains(t, w.last('E'), "C53300")
	assert.Equal(t, `Z "E"`, w.last('Z'))
	holder.query("ROLLBACK")
	holder.wait('Z', 1)
	w.query("CREATE TABLE outside_of_it ()")
	w.wait('Z', 1)
	assert.Contains(t, w.last('E'), "C25P02")
	w.query("COMMIT")
	w.wait('Z', 1)
	assert.Contains(t, w.last('C'), "ROLLBACK")
	assert.Equal(t, `Z "I"`, w.last('Z'))
	direct := connect(t, bed.Primary().DSN("postgres"))
	awaitTrue(t, direct, "SELECT to_regclass('outside_of_it') IS NULL")
	w.query("SELECT 1")
	w.wait('Z', 1)
	assert.Equal(t, `Z "I"`, w.last('Z'))
}

// BEGIN and the first statement are one write; the key turns that off.
func TestKeyDeferredBegin(t *testing.T) {
	for _, on := range []bool{true, false} {
		f := start(t, bed, func(c *configs.Config) { c.Proxy.DeferredBegin = on })
		conn := connect(t, f.dsn("postgres"))
		exec(t, conn, "BEGIN")
		assert.Equal(t, on, lastOf(t, conn).reason == "deferred")
		exec(t, conn, "ROLLBACK")
	}
}
