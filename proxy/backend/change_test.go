package backend

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// with builds a set from pairs.
func with(pairs ...string) *Settings {
	s := Empty
	for i := 0; i < len(pairs); i += 2 {
		s = s.With(pairs[i], pairs[i+1])
	}
	return s
}

func TestNoChangeNoFrame(t *testing.T) {
	s := with("work_mem", "5MB")
	assert.Equal(t, []byte("x"), AppendChange([]byte("x"), s, s))
}

func TestChangeOrder(t *testing.T) {
	from := with("role", "a", "client_encoding", "LATIN1", "work_mem", "1MB")
	to := with("role", "b", "session_authorization", "c", "client_encoding", "UTF8", "a.b", "it's \\ odd")
	frame := AppendChange(nil, from, to)
	assert.Equal(t, byte('Q'), frame[0])
	assert.Equal(t, len(frame)-1, int(frame[3])<<8|int(frame[4]))
	assert.Equal(t, "SELECT pg_catalog.set_config(E'role',NULL,false),pg_catalog.set_config(E'work_mem',NULL,false),"+
		`pg_catalog.set_config(E'a.b',E'it''s \\ odd',false),pg_catalog.set_config(E'client_encoding',E'UTF8',false),`+
		"pg_catalog.set_config(E'session_authorization',E'c',false),pg_catalog.set_config(E'role',E'b',false)\x00", string(frame[5:]))
}

// changeNames are looked at after every step of TestChangesOnServer.
var changeNames = []string{
	"work_mem", "TimeZone", "DateStyle", "search_path", "client_encoding", "role", "session_authorization",
	"standard_conforming_strings", "backslash_quote", "a.weird", "log_statement", "application_name",
	"log_parser_stats", "log_statement_stats", "default_transaction_read_only",
}

func TestChangesOnServer(t *testing.T) {
	require.NoError(t, servers.Primary().Exec(t.Context(), "postgres",
		`CREATE ROLE "We""ird \ o'ne" IN ROLE trusted`, "CREATE ROLE plain", "CREATE ROLE boss SUPERUSER",
		`ALTER ROLE boss SET work_mem = '7MB'`))
	t.Cleanup(func() {
		require.NoError(t, servers.Primary().Exec(context.Background(), "postgres", `DROP ROLE "We""ird \ o'ne"`, "DROP ROLE plain", "DROP ROLE boss"))
	})
	steps := []*Settings{
		Empty,
		with("work_mem", "5MB", "timezone", "Asia/Tokyo", "datestyle", "SQL, DMY"),
		with("work_mem", "6MB", "a.weird", "it's \"a\" \\ $$ % \n é 漢字"),
		with("standard_conforming_strings", "off", "backslash_quote", "off", "a.weird", `\' OR \\`),
		with("a.weird", `'\`, "client_encoding", "LATIN1"),
		with("role", "plain", "work_mem", "9MB"),
		with("role", "plain", "log_statement", "all", "work_mem", "9MB"), // only a superuser may set log_statement
		with("session_authorization", "plain", "log_statement", "mod"),
		with("session_authorization", "boss", "role", `We"ird \ o'ne`, "log_statement", "ddl"),
		with("session_authorization", "plain"),
		with("role", `We"ird \ o'ne`, "search_path", `"$user", "o'dd \ sch""ema", public`),
		with("log_parser_stats", "on"),
		with("log_statement_stats", "on"), // excludes the one before
		with("default_transaction_read_only", "on", "application_name", "x'y\\z"),
		with("role", "none", "a.weird", ""),
		Empty,
	}
	c := realDial(t)
	defaults := map[string]string{}
	for _, name := range changeNames {
		defaults[name] = value(t, c, fmt.Sprintf("SELECT coalesce(current_setting('%s', true), '')", name))
	}
	for i, from := range steps {
		for j, to := range steps {
			walk(t, c, from)
			walk(t, c, to)
			for _, name := range changeNames {
				want, set := to.Get(name)
				if !set {
					want = defaults[name]
				}
				got := value(t, c, fmt.Sprintf("SELECT coalesce(current_setting('%s', true), '')", name))
				require.Equal(t, want, got, "%s after step %d to %d", name, i, j)
			}
		}
	}
}

// walk changes the server's settings to those.
func walk(t *testing.T, c *Conn, to *Settings) {
	t.Helper()
	frame := AppendChange(nil, c.Applied, to)
	if len(frame) == 0 {
		return
	}
	res, err := roundTrip(c, frame)
	require.NoError(t, err)
	require.Nil(t, res.err, "%s: %v", frame, res.err)
	require.Equal(t, byte('I'), res.tx)
	c.Applied = to
}

func TestChangeConvertsBetweenEncodings(t *testing.T) {
	c := realDial(t)
	latin := with("client_encoding", "LATIN1", "a.b", "caf\xe9")
	walk(t, c, latin)
	assert.Equal(t, "caf\xe9", value(t, c, "SHOW a.b"))
	walk(t, c, with("client_encoding", "UTF8", "a.b", "café"))
	assert.Equal(t, "café", value(t, c, "SHOW a.b"))
	walk(t, c, latin)
	walk(t, c, with("a.b", "€"))
	assert.Equal(t, "€", value(t, c, "SHOW a.b"), "without one of its own the set is in the default encoding")
	sjis := with("client_encoding", "SJIS", "a.b", "\x83\x5c\x27") // the second byte of the first character is a backslash
	walk(t, c, sjis)
	assert.Equal(t, "\x83\x5c\x27", value(t, c, "SHOW a.b"))
}

func TestChangeOfManySettings(t *testing.T) {
	c := realDial(t)
	many := Empty
	for i := range 2500 {
		many = many.With(fmt.Sprintf("many.s%d", i), "v")
	}
	walk(t, c, many)
	assert.Equal(t, "v", value(t, c, "SHOW many.s2499"))
	walk(t, c, Empty)
	assert.Equal(t, "", value(t, c, "SHOW many.s2499"))
}

func TestFailedChangeChangesNothing(t *testing.T) {
	c := realDial(t)
	walk(t, c, with("work_mem", "5MB"))
	res, err := roundTrip(c, AppendChange(nil, c.Applied, with("a.b", "1", "role", "nobody_of_that_name")))
	require.NoError(t, err)
	require.NotNil(t, res.err)
	assert.Equal(t, "22023", res.err.Code)
	assert.Equal(t, "5MB", value(t, c, "SHOW work_mem"))
	assert.Equal(t, "", value(t, c, "SELECT coalesce(current_setting('a.b', true), '')"))
}

func BenchmarkAppendChange(b *testing.B) {
	from, to := with("timezone", "UTC"), with("work_mem", "5MB", "timezone", "Asia/Tokyo")
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendChange(buf[:0], from, to)
	}
}
