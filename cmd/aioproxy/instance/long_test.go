package instance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

const longSchema = `
CREATE TABLE bulk (id int, n int, s text);
CREATE TABLE noted (id int, n int, s text);
CREATE FUNCTION on_noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('my.noted', new.s, false); RETURN new; END $$;
CREATE TRIGGER note BEFORE INSERT ON noted FOR EACH ROW EXECUTE FUNCTION on_noted();
CREATE TABLE copied (id int, n int, s text);
CREATE FUNCTION on_bulk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO copied VALUES (new.id, new.n, new.s); RETURN new; END $$;
CREATE TABLE with_copy (id int, n int, s text);
CREATE TRIGGER keep BEFORE INSERT ON with_copy FOR EACH ROW EXECUTE FUNCTION on_bulk();`

// longInsert is an INSERT of about that many bytes, with strings in all forms; extra is a row in its middle.
func longInsert(table string, size int, extra string) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (id, n, s) VALUES ")
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteString(", ")
		}
		if extra != "" && b.Len() > size*2/3 {
			b.WriteString(extra + ", ")
			extra = ""
		}
		s := []string{"'plain; ''text'' %d'", `E'it\'s %d\\'`, "$$dollar ') %d$$", "$q$a $$ b %d$q$", "'two' -- parts '\n ' of it %d'", "'é漢字 %d'", "NULL /* %d'), ( */"}[i%7]
		fmt.Fprintf(&b, "(%d, -%d, "+s+")", i, i%10, i)
	}
	return b.String()
}

type longBench struct {
	*pinBench
	reader, direct *pgx.Conn
}

func newLongBench(t *testing.T, database string) *longBench {
	t.Helper()
	b := newPinBench(t, database, keepAll)
	l := &longBench{b, b.connect("reader"), connect(t, bed.Primary().DSN(database))}
	exec(t, l.direct, longSchema)
	known(t, l.reader, "SELECT on_noted IS NULL FROM bulk, noted, copied, with_copy, (SELECT 1 AS on_noted) x")
	return l
}

// fresh reads a table's contents by the cache, and again when write was done.
func (b *longBench) fresh(table string, write func()) {
	b.t.Helper()
	sum := "SELECT count(*) || ' ' || coalesce(sum(n), 0) || ' ' || coalesce(sum(length(s)), 0) FROM " + table
	until(b.t, "the result is kept", func() bool {
		_, h := one(b.t, b.reader, sum)
		return h.cache == "hit"
	})
	before, _ := one(b.t, b.reader, sum)
	write()
	got, h := one(b.t, b.reader, sum)
	want, err := trySimple(b.t.Context(), b.direct, sum)
	require.NoError(b.t, err)
	require.Equal(b.t, want[0][0], got, "%+v", h)
	require.NotEqual(b.t, before, got)
}

// Sizes between what is parsed and the window, and beyond the window.
var longSizes = []int{600 << 10, 3 << 20}

func TestLongInsertIsKnown(t *testing.T) {
	b := newLongBench(t, "long_known")
	for _, size := range longSizes {
		conn := b.connect("writer")
		b.fresh("bulk", func() { exec(t, conn, longInsert("bulk", size, "")) })
		b.expect(conn, "writer", "simple")
		b.fresh("copied", func() { exec(t, conn, longInsert("with_copy", size, "")+" RETURNING id") })
		b.expect(conn, "writer", "a trigger that writes elsewhere")
		b.fresh("bulk", func() { exec(t, conn, "BEGIN", longInsert("bulk", size, ""), "COMMIT") })
		b.expect(conn, "writer", "in a transaction")
		b.fresh("bulk", func() {
			_, err := conn.PgConn().ExecParams(t.Context(), longInsert("bulk", size, ""), nil, nil, nil, nil).Close()
			require.NoError(t, err)
			exec(t, conn, "SELECT 1")
		})
		b.expect(conn, "writer", "extended")
		b.fresh("bulk", func() { exec(t, conn, "UPDATE bulk SET n = 7, s = '"+strings.Repeat("long ", size/5)+"' WHERE id = 1") })
		b.expect(conn, "writer", "one long literal")
		exec(t, conn, "SELECT count(*) FROM bulk WHERE id IN ("+strings.TrimSuffix(strings.Repeat("12345, ", size/7), ", ")+")")
		b.expect(conn, "writer", "a long list")
		b.lists(conn, size)
		exec(t, conn, "TRUNCATE bulk, copied")
		require.NoError(t, conn.Close(t.Context()))
	}
	require.Zero(t, b.metric(pinnedNow)["unseen_state"])
}

// lists reads by long lists that differ in their last item alone.
func (b *longBench) lists(conn *pgx.Conn, size int) {
	b.t.Helper()
	for range 2 {
		for i := range 3 {
			sql := fmt.Sprintf("SELECT count(*), min(id) FROM bulk WHERE id IN (%s%d)", strings.Repeat("-12345, ", size/8), 100+i)
			want, err := trySimple(b.t.Context(), b.direct, sql)
			require.NoError(b.t, err)
			got, _ := simple(b.t, conn, sql)
			require.Equal(b.t, want, got)
			require.NotEqual(b.t, "0", got[0][0])
		}
	}
	b.expect(conn, "writer", "long lists")
}

// A refused long statement leaves nothing, and says the same as to a client that is connected directly.
func TestLongInsertFailsAsItDoesDirectly(t *testing.T) {
	b := newLongBench(t, "long_fails")
	for _, size := range longSizes {
		conn := b.connect("writer")
		for _, sql := range []string{
			longInsert("bulk", size, "('x', 1, 'a')"), longInsert("bulk", size, "(1)"), longInsert("nowhere", size, ""),
			longInsert("bulk", size, "(1, 1, 'open)"), longInsert("bulk", size, "(1, 1,, 'a')"),
		} {
			_, want := trySimple(t.Context(), b.direct, sql)
			_, err := trySimple(t.Context(), conn, sql)
			require.Error(t, want)
			require.Equal(t, want.(*pgconn.PgError), err.(*pgconn.PgError)) //nolint:errorlint // compared in full
		}
		exec(t, conn, "DISCARD ALL")
		n, _ := one(t, conn, "SELECT count(*) FROM bulk")
		require.Equal(t, "0", n)
	}
}

// What a long statement may have done beside its table is seen, wherever in it that stands.
func TestLongStatementsThatLeaveState(t *testing.T) {
	b := newLongBench(t, "long_state")
	for _, size := range longSizes {
		for _, c := range []struct{ name, sql, setting, want string }{
			{"trigger", longInsert("noted", size, ""), "my.noted", ""},
			{"function", longInsert("bulk", size, "(1, 1, set_config('my.own', 'kept', false))"), "my.own", "kept"},
			{"subselect", longInsert("bulk", size, "(1, (SELECT remember('my.own', 'kept')), 'a')"), "my.own", "kept"},
			{"statement", longInsert("bulk", size, "") + "; SET my.own = 'kept'", "my.own", "kept"},
		} {
			conn := b.connect("stateful")
			exec(t, b.direct, "RESET ALL", c.sql)
			want, err := trySimple(t.Context(), b.direct, "SHOW "+c.setting)
			require.NoError(t, err)
			exec(t, conn, c.sql)
			b.expect(conn, "stateful", c.name, "unseen_state")
			got, _ := one(t, conn, "SHOW "+c.setting)
			require.Equal(t, want[0][0], got, c.name)
			if c.want != "" {
				require.Equal(t, c.want, got)
			}
			require.NoError(t, conn.Close(t.Context()))
		}
	}
}

// A text, long or short, that is well-formed whether a backslash escapes or not, and means two things.
func TestLongTextsWithBackslashes(t *testing.T) {
	b := newLongBench(t, "long_escapes")
	for _, size := range append([]int{3000}, longSizes...) {
		sql := longInsert("bulk", size, "(1, 1, 'a\\'), (2, 2, ' || set_config($a$my.own$a$, $a$x$a$, false)) -- ')\n")
		conn := b.connect("escapes")
		exec(t, conn, sql)
		b.expect(conn, "escapes", "a string")
		exec(t, conn, "SET standard_conforming_strings = off", sql)
		b.expect(conn, "escapes", "a call", "unseen_state")
		got, _ := one(t, conn, "SHOW my.own")
		require.Equal(t, "x", got)
		exec(t, conn, "DISCARD ALL", "BEGIN", "SET LOCAL standard_conforming_strings = off", sql, "COMMIT")
		b.expect(conn, "escapes", "a call in a transaction", "unseen_state")
		require.NoError(t, conn.Close(t.Context()))
	}
}
