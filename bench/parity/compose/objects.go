package compose

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// objects is what each session finds in a schema of its own; $S is its name, and $I its number.
//
//go:embed objects.sql
var objects string

// loginRole is the role without privileges of its own that some rounds log in as.
const loginRole = "composer"

// target is where programs run: directly on the primary, or through the proxy, and a connection of ours beside them.
type target struct {
	addr, database, user string
	mu                   struct {
		sync.Mutex
		helper *pgx.Conn
		nodes  []*pgx.Conn // one to each, to look at what runs there
	}
}

// openTarget connects to the primary, where the helper asks, whatever addr the sessions use.
func openTarget(ctx context.Context, opt *Options, addr, database string) (*target, error) {
	admin, err := pgx.Connect(ctx, dsn(opt.Nodes[0], "postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = admin.Close(ctx) }()
	if err := leftPrepared(ctx, opt, admin, database); err != nil {
		return nil, err
	}
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + database + " WITH (FORCE)",
		"CREATE DATABASE " + database + " TEMPLATE template0",
		"ALTER DATABASE " + database + " SET extra_float_digits = 1",
	} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	t := &target{addr: addr, database: database, user: "postgres"}
	if t.mu.helper, err = pgx.Connect(ctx, dsn(opt.Nodes[0], database)); err != nil {
		return nil, err
	}
	for _, node := range opt.Nodes {
		conn, err := pgx.Connect(ctx, dsn(node, "postgres"))
		if err != nil {
			t.close(ctx)
			return nil, err
		}
		t.mu.nodes = append(t.mu.nodes, conn)
	}
	return t, nil
}

// leftPrepared rolls back what an earlier run left prepared in a database.
func leftPrepared(ctx context.Context, opt *Options, admin *pgx.Conn, database string) error {
	var left int
	err := admin.QueryRow(ctx, "SELECT count(*) FROM pg_prepared_xacts WHERE database = $1", database).Scan(&left)
	if err != nil || left == 0 {
		return err
	}
	t := &target{}
	if t.mu.helper, err = pgx.Connect(ctx, dsn(opt.Nodes[0], database)); err != nil {
		return err
	}
	defer t.close(ctx)
	return t.rollBackPrepared(ctx)
}

// lost reports whether the connection beside the sessions has ended.
func (t *target) lost() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.helper.IsClosed()
}

func dsn(addr, database string) string {
	return "postgres://postgres@" + addr + "/" + database + "?sslmode=disable"
}

func (t *target) close(ctx context.Context) {
	for _, conn := range append(t.mu.nodes, t.mu.helper) {
		_ = conn.Close(ctx)
	}
}

// roles are shared by all databases; they are made once.
func makeRoles(ctx context.Context, t *target, sessions int) error {
	names := []string{loginRole}
	for i := range sessions {
		names = append(names, fmt.Sprintf("cr%d", i))
	}
	for _, name := range names {
		sql := "DO $$ BEGIN IF to_regrole('" + name + "') IS NULL THEN CREATE ROLE " + name + "; END IF; END $$"
		if err := t.exec(ctx, sql); err != nil {
			return err
		}
	}
	return t.exec(ctx, "ALTER ROLE "+loginRole+" LOGIN; GRANT trusted, "+strings.Join(names[1:], ", ")+" TO "+loginRole)
}

// reset makes what the programs find as it was.
func (t *target) reset(ctx context.Context, programs []Program) error {
	sql := "DO $$ DECLARE g text; BEGIN " +
		"PERFORM lo_unlink(oid) FROM pg_largeobject_metadata; END $$"
	if err := t.exec(ctx, sql); err != nil {
		return err
	}
	if err := t.rollBackPrepared(ctx); err != nil {
		return err
	}
	for i := range programs {
		if err := t.exec(ctx, setup(&programs[i])); err != nil {
			return fmt.Errorf("set up %s: %w", programs[i].Name, err)
		}
	}
	return nil
}

// setup is the text that makes a program's objects anew.
func setup(p *Program) string {
	return strings.NewReplacer("$S", p.Name, "$I", strings.TrimPrefix(p.Name, "s")).Replace(objects)
}

func (t *target) rollBackPrepared(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows, _ := t.mu.helper.Query(ctx, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
	gids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, gid := range gids {
		if _, err := t.mu.helper.Exec(ctx, "ROLLBACK PREPARED '"+gid+"'"); err != nil {
			return err
		}
	}
	return nil
}

func (t *target) exec(ctx context.Context, sql string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.mu.helper.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

func (t *target) isTrue(ctx context.Context, sql string, args ...any) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ok bool
	return t.mu.helper.QueryRow(ctx, sql, args...).Scan(&ok) == nil && ok
}

// runs reports whether a statement with a marker sleeps.
func (t *target) runs(ctx context.Context, marker string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, conn := range t.mu.nodes {
		var ok bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' "+
			"AND query LIKE '%' || $1 || '%')", marker).Scan(&ok)
		if err == nil && ok {
			return true
		}
	}
	return false
}

// gone waits until nothing is left on the server of a client that has gone: its transaction and its locks. A server notices
// in its own time, also without a proxy.
func (t *target) gone(ctx context.Context, p *Program) {
	ctx, cancel := context.WithTimeout(ctx, waiting)
	defer cancel()
	for !t.isTrue(ctx, "SELECT NOT EXISTS (SELECT FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation WHERE l.pid IS NOT NULL AND l.pid <> pg_backend_pid() AND "+
		"l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "+
		"(c.relnamespace = to_regnamespace($1) OR l.locktype = 'advisory' AND l.classid = $2::text::oid))", p.Name, strings.TrimPrefix(p.Name, "s")) && ctx.Err() == nil {
		pause(ctx, 2*time.Millisecond)
	}
}
