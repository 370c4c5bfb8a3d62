package instance_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// An application that asks for what a sequence gave it gets that also where its sessions share one connection, and holds the
// others up for a moment only.
func TestCurrvalOnASharedConnection(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 1
		c.Pool.AcquireTimeout = parityTimeout
	})
	db := sample(t, bed, "currval", "CREATE TABLE numbered (id serial, who text)")
	dsn := f.dsn(db) + " application_name=asks"
	a, b := connect(t, dsn), connect(t, dsn)
	known(t, a, "SELECT FROM numbered")
	exec(t, a, "BEGIN", "INSERT INTO numbered (who) VALUES ('a')", "SELECT lastval()", "COMMIT")
	exec(t, a, "DISCARD ALL") // which ends the pin
	for _, who := range []string{"a", "b", "a"} {
		conn, other := a, b
		if who == "b" {
			conn, other = b, a
		}
		insert := "INSERT INTO numbered (who) VALUES ('" + who + "') RETURNING id"
		mine, _ := one(t, conn, insert)
		exec(t, other, "SELECT 1") // waits until nobody asks any more
		still, _ := one(t, conn, "SELECT currval('numbered_id_seq')")
		assert.Equal(t, mine, still, "the other has used the connection, but not the sequence")
		exec(t, conn, "DISCARD ALL", insert)
		exec(t, other, insert)
		_, err := trySimple(t.Context(), conn, "SELECT currval('numbered_id_seq')")
		require.ErrorContains(t, err, "55000", "the connection was another's meanwhile")
		exec(t, conn, "DISCARD ALL")

		id, _ := one(t, conn, "INSERT INTO numbered (who) VALUES ('"+who+"') RETURNING id")
		got, _ := one(t, conn, "SELECT currval('numbered_id_seq')")
		assert.Equal(t, id, got)
		exec(t, conn, "DISCARD ALL")
	}
}

// What another session got from a sequence is not told, wherever in a transaction the question comes.
func TestCurrvalOfAnotherSession(t *testing.T) {
	f := start(t, bed, func(c *configs.Config) {
		c.Pool.MaxConnections = 1
		c.Pool.AcquireTimeout = parityTimeout
	})
	db := sample(t, bed, "strangers", "CREATE SEQUENCE counted; CREATE TABLE plain (a int)")
	a, b := connect(t, f.dsn(db)), connect(t, f.dsn(db))
	known(t, a, "SELECT FROM plain")
	exec(t, a, "SELECT nextval('counted')")
	exec(t, b, "BEGIN", "UPDATE plain SET a = 1", "SAVEPOINT s")
	_, err := trySimple(t.Context(), b, "SELECT lastval()")
	require.ErrorContains(t, err, "55000")
	exec(t, b, "ROLLBACK TO s", "SELECT nextval('counted')", "SELECT lastval()", "COMMIT")
}
