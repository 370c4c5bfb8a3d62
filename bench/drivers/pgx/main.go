// Program pgx does with jackc/pgx what applications do, and prints what it saw. It connects as the PG* variables say.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

const aggregate = `SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind`

// program is the pool that everything goes through and where the findings go.
type program struct {
	pool *pgxpool.Pool
	out  io.Writer
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	cfg, err := pgxpool.ParseConfig("")
	if err != nil {
		return err
	}
	cfg.MaxConns = 6
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	p := &program{pool, out}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"aggregate", p.aggregates},
		{"tables", p.tables},
		{"types", p.types},
		{"modes", p.modes},
		{"batch", p.batch},
		{"transactions", p.transactions},
		{"errors", p.errors},
		{"copy", p.copies},
		{"pool", p.concurrent},
		{"aggregate again", p.aggregates},
	}
	for _, s := range steps {
		fmt.Fprintf(out, "== %s\n", s.name)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// show prints the rows of a query, one per line, values as Go prints them.
func (p *program) show(ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, sql string, args ...any,
) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		for i, v := range values {
			values[i] = plain(v)
		}
		fmt.Fprintln(p.out, values...)
	}
	fmt.Fprintln(p.out, rows.CommandTag())
	return rows.Err()
}

func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case pgtype.Numeric:
		text, err := v.Value()
		if err != nil {
			return err
		}
		return text
	}
	return v
}

// aggregates reads twice, writes, and must then see the write.
func (p *program) aggregates(ctx context.Context) error {
	for range 2 {
		if err := p.show(ctx, p.pool, aggregate); err != nil {
			return err
		}
	}
	if _, err := p.pool.Exec(ctx, "INSERT INTO events VALUES (0, 'pgx', 1.5, '2030-01-01T00:00:00Z')"); err != nil {
		return err
	}
	if err := p.show(ctx, p.pool, aggregate); err != nil {
		return err
	}
	_, err := p.pool.Exec(ctx, "DELETE FROM events WHERE kind = $1", "pgx")
	return errors.Join(err, p.show(ctx, p.pool, aggregate))
}

func (p *program) tables(ctx context.Context) error {
	_, err := p.pool.Exec(ctx, `
		CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, age int, note text);
		CREATE TABLE log (id int, line text);
		CREATE TABLE everything (id int PRIMARY KEY, n numeric(20,6), t timestamptz, j jsonb, tags text[], grid int[][], raw bytea,
			u uuid, d interval, r int4range, ok boolean, f float8, day date, addr inet)`)
	if err != nil {
		return err
	}
	for i, name := range []string{"ada", "grace", "edsger"} {
		var id int64
		err := p.pool.QueryRow(ctx, "INSERT INTO users (name, age) VALUES ($1, $2) RETURNING id", name, 30+i).Scan(&id)
		if err != nil {
			return err
		}
		fmt.Fprintln(p.out, "inserted", id)
	}
	return p.show(ctx, p.pool, "SELECT * FROM users WHERE age > $1 AND note IS NULL ORDER BY id", 30)
}

func (p *program) types(ctx context.Context) error {
	at := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
	_, err := p.pool.Exec(ctx, `INSERT INTO everything VALUES ($1, $2::text::numeric, $3, $4, $5, $6, $7, $8, $9, '[1,5)', true, $10, '2024-02-29', '10.1.2.3/8')`,
		1, "-12345678901.123456", at, map[string]any{"a": []int{1, 2}, "b": nil}, []string{"x", `q"uo,te`, ""}, [][]int32{{1, 2}, {3, 4}},
		[]byte{0, 1, 0xff, '\\'}, "2f1c0a3e-8a6b-4d0e-9f36-0123456789ab", 36*time.Hour+time.Microsecond, 1e-300)
	if err != nil {
		return err
	}
	if _, err := p.pool.Exec(ctx, "INSERT INTO everything (id) VALUES (2)"); err != nil {
		return err
	}
	return errors.Join(p.show(ctx, p.pool, "SELECT * FROM everything ORDER BY id"),
		p.show(ctx, p.pool, "SELECT n * $1::numeric, j->'a', tags[2], t AT TIME ZONE 'Asia/Tokyo' FROM everything WHERE id = $2", "2.5", 1))
}

// modes asks the same in every way that pgx can ask, several times each: statements are prepared once and used again.
func (p *program) modes(ctx context.Context) error {
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		fmt.Fprintln(p.out, "mode", mode)
		for i := range 3 {
			if err := p.show(ctx, p.pool, "SELECT id, name FROM users WHERE age = $1", mode, 30+i); err != nil {
				return err
			}
		}
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Conn().Prepare(ctx, "by_name", "SELECT age FROM users WHERE name = $1"); err != nil {
		return err
	}
	for _, name := range []string{"ada", "grace", "nobody"} {
		if err := p.show(ctx, conn, "by_name", name); err != nil {
			return err
		}
	}
	return conn.Conn().Deallocate(ctx, "by_name")
}

func (p *program) batch(ctx context.Context) error {
	b := &pgx.Batch{}
	for i := range 20 {
		b.Queue("INSERT INTO log VALUES ($1, $2)", i, fmt.Sprint("line ", i))
	}
	b.Queue("SELECT count(*), min(line) FROM log")
	results := p.pool.SendBatch(ctx, b)
	for range 20 {
		if _, err := results.Exec(); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	var count int
	var first string
	err := results.QueryRow().Scan(&count, &first)
	fmt.Fprintln(p.out, count, first)
	return errors.Join(err, results.Close())
}

func (p *program) transactions(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE users SET note = 'committed' WHERE name = 'ada'"); err != nil {
			return err
		}
		err := pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error { // a savepoint
			_, err := nested.Exec(ctx, "INSERT INTO users (name) VALUES ('ada')")
			return err
		})
		fmt.Fprintln(p.out, "savepoint:", describe(err))
		return p.show(ctx, tx, "SELECT name, note FROM users ORDER BY id")
	})
	if err != nil {
		return err
	}
	undo := errors.New("changed our mind")
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM users")
		fmt.Fprintln(p.out, tag, describe(err))
		return undo
	})
	if !errors.Is(err, undo) {
		return err
	}
	readOnly := pgx.TxOptions{AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, p.pool, readOnly, func(tx pgx.Tx) error {
		if err := p.show(ctx, tx, "SELECT count(*) FROM users WHERE note = 'committed'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM users")
		return err
	})
	fmt.Fprintln(p.out, "read only:", describe(err))
	return nil
}

func describe(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return fmt.Sprintf("%s %s | %s | %s %s at %d", pgErr.Code, pgErr.Message, pgErr.Detail, pgErr.TableName, pgErr.ConstraintName, pgErr.Position)
	}
	return fmt.Sprint(err)
}

func (p *program) errors(ctx context.Context) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for _, sql := range []string{"SELEKT 1", "SELECT * FROM nowhere", "SELECT 1/0", "INSERT INTO users (name) VALUES ('grace')", "SELECT 1"} {
		_, err := conn.Exec(ctx, sql)
		fmt.Fprintln(p.out, sql, "->", describe(err))
	}
	_, err = conn.Exec(ctx, "SELECT $1::int", "no number")
	fmt.Fprintln(p.out, strings.Contains(fmt.Sprint(err), "no number"))
	return p.show(ctx, conn, "SELECT count(*) FROM users")
}

func (p *program) copies(ctx context.Context) error {
	rows := make([][]any, 5000)
	for i := range rows {
		rows[i] = []any{1000 + i, strings.Repeat("x", i%50)}
	}
	n, err := p.pool.CopyFrom(ctx, pgx.Identifier{"log"}, []string{"id", "line"}, pgx.CopyFromRows(rows))
	if err != nil {
		return err
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var text bytes.Buffer
	tag, err := conn.Conn().PgConn().CopyTo(ctx, &text, "COPY (SELECT * FROM log ORDER BY id) TO STDOUT (FORMAT csv)")
	fmt.Fprintln(p.out, n, tag, text.Len(), describe(err))
	_, err = conn.Conn().PgConn().CopyFrom(ctx, strings.NewReader("1\tone\nx\ttwo\n"), "COPY log FROM STDIN")
	fmt.Fprintln(p.out, "bad line:", describe(err))
	return p.show(ctx, conn, "SELECT count(*), sum(length(line)) FROM log")
}

// concurrent has more callers than connections; each must get its own answers.
func (p *program) concurrent(ctx context.Context) error {
	var g errgroup.Group
	sums := make([]int, 16)
	for i := range sums {
		g.Go(func() error {
			for j := range 25 {
				var a, b int
				err := p.pool.QueryRow(ctx, "SELECT $1::int, count(*) FROM log WHERE id < $2", i*1000+j, i).Scan(&a, &b)
				if err != nil {
					return err
				}
				if a != i*1000+j {
					return fmt.Errorf("caller %d got the answer of %d", i*1000+j, a)
				}
				sums[i] += a + b
			}
			return nil
		})
	}
	err := g.Wait()
	fmt.Fprintln(p.out, sums)
	return err
}
