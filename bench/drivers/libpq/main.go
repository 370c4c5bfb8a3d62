// Program libpq does with lib/pq what applications do, and prints what it saw. It connects as the PG* variables say.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"
)

const aggregate = `SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind`

type program struct {
	db  *sql.DB
	out io.Writer
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	db, err := sql.Open("postgres", "")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(6)
	p := &program{db, out}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"aggregate", p.aggregates},
		{"tables", p.tables},
		{"types", p.types},
		{"prepared", p.prepared},
		{"transactions", p.transactions},
		{"errors", p.errors},
		{"copy", p.copies},
		{"notify", p.notify},
		{"pool", p.concurrent},
		{"aggregate again", p.aggregates},
	}
	for _, s := range steps {
		fmt.Fprintf(out, "== %s\n", s.name)
		if err := s.do(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", s.name, err), db.Close())
		}
	}
	return db.Close()
}

// show prints the rows of a query, one per line.
func (p *program) show(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	columns, err := rows.Columns()
	if err != nil {
		return errors.Join(err, rows.Close())
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return errors.Join(err, rows.Close())
		}
		for i, v := range values {
			switch v := v.(type) {
			case []byte:
				values[i] = string(v)
			case time.Time:
				values[i] = v.UTC().Format(time.RFC3339Nano)
			}
		}
		fmt.Fprintln(p.out, values...)
	}
	return errors.Join(rows.Err(), rows.Close())
}

// aggregates reads twice, writes, and must then see the write.
func (p *program) aggregates(ctx context.Context) error {
	for range 2 {
		if err := p.show(p.db.QueryContext(ctx, aggregate)); err != nil {
			return err
		}
	}
	if _, err := p.db.ExecContext(ctx, "INSERT INTO events VALUES (0, 'libpq', 1.5, '2030-01-01T00:00:00Z')"); err != nil {
		return err
	}
	if err := p.show(p.db.QueryContext(ctx, aggregate)); err != nil {
		return err
	}
	if _, err := p.db.ExecContext(ctx, "DELETE FROM events WHERE kind = $1", "libpq"); err != nil {
		return err
	}
	return p.show(p.db.QueryContext(ctx, aggregate))
}

func (p *program) tables(ctx context.Context) error {
	_, err := p.db.ExecContext(ctx, `
		CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, age int, note text);
		CREATE TABLE log (id int, line text);
		CREATE TABLE everything (id int PRIMARY KEY, n numeric(20,6), t timestamptz, j jsonb, tags text[], raw bytea,
			u uuid, d interval, r int4range, ok boolean, f float8, day date)`)
	if err != nil {
		return err
	}
	for i, name := range []string{"ada", "grace", "edsger"} {
		var id int64
		err := p.db.QueryRowContext(ctx, "INSERT INTO users (name, age) VALUES ($1, $2) RETURNING id", name, 30+i).Scan(&id)
		if err != nil {
			return err
		}
		fmt.Fprintln(p.out, "inserted", id)
	}
	return p.show(p.db.QueryContext(ctx, "SELECT * FROM users WHERE age > $1 AND note IS NULL ORDER BY id", 30))
}

func (p *program) types(ctx context.Context) error {
	at := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
	_, err := p.db.ExecContext(ctx, `INSERT INTO everything VALUES ($1, $2, $3, $4, $5, $6, $7, '36:00:00.000001', '[1,5)', true, $8, '2024-02-29')`,
		1, "-12345678901.123456", at, `{"a": [1, 2], "b": null}`, pq.Array([]string{"x", `q"uo,te`, ""}), []byte{0, 1, 0xff, '\\'},
		"2f1c0a3e-8a6b-4d0e-9f36-0123456789ab", 1e-300)
	if err != nil {
		return err
	}
	if _, err := p.db.ExecContext(ctx, "INSERT INTO everything (id, n) VALUES (2, NULL)"); err != nil {
		return err
	}
	if err := p.show(p.db.QueryContext(ctx, "SELECT * FROM everything ORDER BY id")); err != nil {
		return err
	}
	var tags []string
	var n sql.NullString
	err = p.db.QueryRowContext(ctx, "SELECT tags, n * $1 FROM everything WHERE id = $2", "2.5", 1).Scan(pq.Array(&tags), &n)
	fmt.Fprintf(p.out, "%q %v\n", tags, n)
	return err
}

// prepared uses statements over and over, on whatever connection the pool gives.
func (p *program) prepared(ctx context.Context) error {
	insert, err := p.db.PrepareContext(ctx, "INSERT INTO log VALUES ($1, $2)")
	if err != nil {
		return err
	}
	for i := range 20 {
		if _, err := insert.ExecContext(ctx, i, fmt.Sprint("line ", i)); err != nil {
			return errors.Join(err, insert.Close())
		}
	}
	query, err := p.db.PrepareContext(ctx, "SELECT id, name FROM users WHERE age = $1")
	if err != nil {
		return errors.Join(err, insert.Close())
	}
	for i := range 4 {
		if err := p.show(query.QueryContext(ctx, 30+i)); err != nil {
			return err
		}
	}
	return errors.Join(insert.Close(), query.Close(), p.show(p.db.QueryContext(ctx, "SELECT count(*), min(line) FROM log; SELECT 'second'")))
}

func (p *program) transactions(ctx context.Context) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"UPDATE users SET note = 'committed' WHERE name = 'ada'", "SAVEPOINT before", "INSERT INTO users (name) VALUES ('ada')",
		"SELECT 1", "ROLLBACK TO SAVEPOINT before", "UPDATE users SET age = age + 1 WHERE name = 'grace'",
	} {
		_, err := tx.ExecContext(ctx, statement)
		fmt.Fprintln(p.out, statement, "->", describe(err))
	}
	if err := errors.Join(p.show(tx.QueryContext(ctx, "SELECT name, age, note FROM users ORDER BY id")), tx.Commit()); err != nil {
		return err
	}
	if tx, err = p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM users"); err != nil {
		return err
	}
	if err := errors.Join(p.show(tx.QueryContext(ctx, "SELECT count(*) FROM users")), tx.Rollback()); err != nil {
		return err
	}
	if tx, err = p.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	err = p.show(tx.QueryContext(ctx, "SELECT count(*) FROM users WHERE note = 'committed'"))
	_, refused := tx.ExecContext(ctx, "DELETE FROM users")
	fmt.Fprintln(p.out, "read only:", describe(refused))
	return errors.Join(err, tx.Rollback())
}

func describe(err error) string {
	var pqErr *pq.Error
	if errors.As(err, &pqErr) {
		return fmt.Sprintf("%s %s | %s | %s %s at %s", pqErr.Code, pqErr.Message, pqErr.Detail, pqErr.Table, pqErr.Constraint, pqErr.Position)
	}
	return fmt.Sprint(err)
}

func (p *program) errors(ctx context.Context) error {
	for _, statement := range []string{
		"SELEKT 1", "SELECT * FROM nowhere", "SELECT 1/0", "INSERT INTO users (name) VALUES ('grace')",
		"COPY users TO STDOUT", "SELECT 1",
	} {
		_, err := p.db.ExecContext(ctx, statement)
		fmt.Fprintln(p.out, statement, "->", describe(err))
	}
	_, err := p.db.ExecContext(ctx, "SELECT $1::int", "no number")
	fmt.Fprintln(p.out, describe(err))
	return p.show(p.db.QueryContext(ctx, "SELECT count(*) FROM users"))
}

func (p *program) copies(ctx context.Context) error {
	fill := func(lines func(add *sql.Stmt) error) error {
		tx, err := p.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		add, err := tx.PrepareContext(ctx, "COPY log (id, line) FROM STDIN")
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := lines(add); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return errors.Join(add.Close(), tx.Commit())
	}
	err := fill(func(add *sql.Stmt) error {
		for i := range 5000 {
			if _, err := add.ExecContext(ctx, 1000+i, strings.Repeat("x", i%50)); err != nil {
				return err
			}
		}
		_, err := add.ExecContext(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = fill(func(add *sql.Stmt) error {
		if _, err := add.ExecContext(ctx, "x", "no number"); err != nil {
			return err
		}
		_, err := add.ExecContext(ctx)
		return err
	})
	fmt.Fprintln(p.out, "bad line:", describe(err))
	return p.show(p.db.QueryContext(ctx, "SELECT count(*), sum(length(line)) FROM log"))
}

// notify listens on one connection and hears what another one says.
func (p *program) notify(ctx context.Context) error {
	l := pq.NewListener("", time.Second, time.Minute, nil)
	if err := l.Listen("news"); err != nil {
		return errors.Join(err, l.Close())
	}
	if _, err := p.db.ExecContext(ctx, "SELECT pg_notify('news', 'hello')"); err != nil {
		return errors.Join(err, l.Close())
	}
	select {
	case n := <-l.Notify:
		fmt.Fprintln(p.out, n.Channel, n.Extra)
	case <-time.After(10 * time.Second):
		fmt.Fprintln(p.out, "heard nothing")
	}
	return l.Close()
}

// concurrent has more callers than connections; each must get its own answers.
func (p *program) concurrent(ctx context.Context) error {
	var g errgroup.Group
	sums := make([]int, 16)
	for i := range sums {
		g.Go(func() error {
			for j := range 25 {
				var a, b int
				err := p.db.QueryRowContext(ctx, "SELECT $1::int, count(*) FROM log WHERE id < $2", i*1000+j, i).Scan(&a, &b)
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
