package instance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// A statement that is too large to be looked at, and gets no server connection in time, is an error like that of a small one: it
// is read to its end, and the session goes on.
func TestLargeStatementWithoutConnection(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 1
		c.Pool.AcquireTimeout = 100 * time.Millisecond
	})
	holder, waiter := connect(t, f.dsn("postgres")), connect(t, f.dsn("postgres"))
	exec(t, holder, "BEGIN; CREATE TEMP TABLE held (a int)")
	large := "SELECT length('" + strings.Repeat("x", 3<<20) + "')"
	_, simple := waiter.PgConn().Exec(t.Context(), large).ReadAll()
	extended := waiter.PgConn().ExecParams(t.Context(), large, nil, nil, nil, nil).Read().Err
	for _, err := range []error{simple, extended} {
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "53300", refused.Code)
		assert.Equal(t, "ERROR", refused.Severity)
	}
	exec(t, holder, "ROLLBACK")
	exec(t, waiter, large)
}
