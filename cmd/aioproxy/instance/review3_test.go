package instance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// A client that thinks behind BEGIN, while all connections are in use for longer than a statement would wait for one, has
// asked for nothing yet: its transaction begins with its first statement, and what is cancelled meanwhile is nothing.
func TestDeferredBeginSurvivesAFullPool(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 1
		c.Pool.AcquireTimeout = 100 * time.Millisecond
	})
	holder, w := openWire(t, addrOf(f), "postgres"), openWire(t, addrOf(f), "postgres")
	holder.query("BEGIN; SELECT 1")
	holder.wait('Z', 1)
	w.query("BEGIN")
	w.wait('Z', 1)
	thinks := time.Now()
	require.Eventually(t, func() bool { return time.Since(thinks) > 500*time.Millisecond }, parityTimeout, 10*time.Millisecond)
	holder.query("COMMIT")
	holder.wait('Z', 1)
	w.query("SHOW transaction_isolation")
	w.wait('Z', 1)
	assert.Empty(t, w.last('E'))
	assert.Equal(t, `Z "T"`, w.last('Z'))

	holder.query("BEGIN; SELECT 1") // it has to wait: the first statement hears why it fails
	holder.wait('Z', 1)
	assert.Contains(t, holder.last('E'), "C53300")
	w.query("COMMIT")
	w.wait('Z', 1)
	assert.Contains(t, w.last('C'), "COMMIT")
}
