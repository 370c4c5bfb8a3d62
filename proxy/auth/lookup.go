package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

// lookupTimeout limits a lookup where the login's own limit is longer.
const lookupTimeout = 10 * time.Second

// LookupDeps is what a QueryLookup works with.
type LookupDeps struct {
	// Connect opens a connection of the control role to a node that knows all roles.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	Log     *zap.Logger
}

// QueryLookup asks the database. It keeps one connection, answers for a role are kept for
// cache_ttl, and who asks for a role that is just being asked for shares the answer.
type QueryLookup struct {
	query   string
	connect func(ctx context.Context) (*pgx.Conn, error)
	log     *zap.Logger
	cache   *secretCache
	flights singleflight.Group

	// conn holds the one connection, nil if it must be opened. Who takes it puts it back.
	conn chan *pgx.Conn
}

// NewQueryLookup returns a lookup that connects when it is first asked.
func NewQueryLookup(cfg Config, deps LookupDeps) *QueryLookup {
	q := &QueryLookup{
		query: cfg.Query, connect: deps.Connect, log: deps.Log.Named("auth"),
		cache: newSecretCache(cfg.CacheTTL),
		conn:  make(chan *pgx.Conn, 1),
	}
	q.conn <- nil
	return q
}

// Secret implements [Lookup].
func (q *QueryLookup) Secret(ctx context.Context, user string) (Secret, error) {
	for {
		if s, ok := q.cache.get(user); ok {
			return s, nil
		}
		v, err, _ := q.flights.Do(user, func() (any, error) {
			s, err := q.ask(ctx, user)
			if err != nil && ctx.Err() != nil {
				err = errors.Join(errLeft, err)
			}
			return s, err
		})
		switch {
		case err == nil:
			return v.(Secret), nil
		case errors.Is(err, errLeft) && ctx.Err() == nil:
			continue // it was another login's question, and that one has ended
		}
		return Secret{}, err
	}
}

// Forget drops what is remembered of a role.
func (q *QueryLookup) Forget(user string) { q.cache.forget(user) }

// ForgetAll drops everything remembered, for when a role was changed.
func (q *QueryLookup) ForgetAll() { q.cache.forgetAll() }

// Close waits for a running lookup and closes the connection.
func (q *QueryLookup) Close(ctx context.Context) error {
	select {
	case conn := <-q.conn:
		defer func() { q.conn <- nil }()
		if conn != nil {
			return conn.Close(ctx)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errLeft = errors.New("the login that asked has ended")

func (q *QueryLookup) ask(ctx context.Context, user string) (Secret, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTimeout, fmt.Errorf("no answer within %s", lookupTimeout))
	defer cancel()
	generation := q.cache.begin()
	var conn *pgx.Conn
	select {
	case conn = <-q.conn:
	case <-ctx.Done():
		return Secret{}, fmt.Errorf("wait for the lookup connection: %w", context.Cause(ctx))
	}
	defer func() { q.conn <- conn }()
	s, err := q.askOn(ctx, &conn, user)
	if err != nil {
		q.log.Warn("looking up a role did not succeed", zap.Error(err), zap.String("hint", advice(err)))
		return Secret{}, err
	}
	q.cache.put(user, s, generation)
	return s, nil
}

// askOn opens the connection if there is none, and tries a second one if the first has died
// while idle.
func (q *QueryLookup) askOn(ctx context.Context, conn **pgx.Conn, user string) (Secret, error) {
	for {
		fresh := *conn == nil
		if fresh {
			c, err := q.open(ctx)
			if err != nil {
				return Secret{}, err
			}
			*conn = c
		}
		s, err := readSecret(ctx, *conn, q.query, user)
		if (*conn).IsClosed() {
			*conn = nil
			if err != nil && !fresh && ctx.Err() == nil {
				continue
			}
		}
		return s, err
	}
}

// open pins the search path: names in auth.query must not mean what a temporary or a
// public object of the same name says (compare PgBouncer's CVE-2025-12819).
func (q *QueryLookup) open(ctx context.Context) (*pgx.Conn, error) {
	conn, err := q.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect with the control role: %w", err)
	}
	if _, err := conn.Exec(ctx, "SET search_path = pg_catalog, pg_temp"); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("pin search_path: %w", err)
	}
	return conn, nil
}

func readSecret(ctx context.Context, conn *pgx.Conn, query, user string) (Secret, error) {
	rows, err := conn.Query(ctx, query, user)
	if err != nil {
		return Secret{}, fmt.Errorf("run auth.query: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return Secret{}, wrapQuery(rows.Err())
	}
	var password pgtype.Text
	canLogin := pgtype.Bool{Bool: true, Valid: true}
	var until pgtype.Timestamptz
	columns := []any{&password, &canLogin, &until}
	n := len(rows.FieldDescriptions())
	if n < 1 || n > len(columns) {
		return Secret{}, fmt.Errorf("auth.query returns %d columns: it must return rolpassword, and optionally rolcanlogin and rolvaliduntil", n)
	}
	if err := rows.Scan(columns[:n]...); err != nil {
		return Secret{}, fmt.Errorf("read auth.query's columns (rolpassword text, rolcanlogin boolean, rolvaliduntil timestamptz): %w", err)
	}
	rows.Close()
	s := Secret{Found: true, CanLogin: canLogin.Bool, Password: password.String, ValidUntil: validUntil(until)}
	return s, wrapQuery(rows.Err())
}

func wrapQuery(err error) error {
	if err != nil {
		return fmt.Errorf("run auth.query: %w", err)
	}
	return nil
}

// validUntil: NULL and 'infinity' are no limit, '-infinity' is one long past.
func validUntil(t pgtype.Timestamptz) time.Time {
	switch {
	case !t.Valid || t.InfinityModifier == pgtype.Infinity:
		return time.Time{}
	case t.InfinityModifier == pgtype.NegativeInfinity:
		return time.Unix(0, 0)
	}
	return t.Time
}

func advice(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" { // insufficient_privilege
		return "the control role may not read pg_authid: make it a superuser, or set auth.query to a SECURITY DEFINER function that it may call"
	}
	return "see whether the control role can connect, and what auth.query returns"
}
