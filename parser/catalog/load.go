package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// loader carries the rows of one load into a builder.
type loader struct {
	tx pgx.Tx
	b  *builder
}

// loadSnapshot reads the catalogues as of one moment. It returns the last snapshot, with all that was resolved from it,
// when nothing changed since.
func loadSnapshot(ctx context.Context, conn *pgx.Conn, last *snapshot) (*snapshot, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	l := &loader{tx: tx, b: newBuilder()}
	if _, err := tx.Exec(ctx, safePath); err != nil {
		return nil, fmt.Errorf("set search_path: %w", err)
	}
	if err := tx.QueryRow(ctx, queryDigest).Scan(&l.b.snap.digest); err != nil {
		return nil, fmt.Errorf("digest the catalogues: %w", err)
	}
	if last != nil && last.digest == l.b.snap.digest {
		return last, tx.Commit(ctx) // its snapshot must not outlive the load, see AwaitLoad
	}
	if err := l.all(ctx); err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return l.b.build(), nil
}

// all loads in the order that the builder needs.
func (l *loader) all(ctx context.Context) error {
	steps := []struct {
		what string
		load func(context.Context) error
	}{
		{"schemas", l.schemas},
		{"relations", l.relations},
		{"inheritance", l.inherits},
		{"built-in functions", l.builtins},
		{"functions", l.functions},
		{"views", l.views},
		{"rules", l.rules},
		{"triggers", l.triggers},
		{"defaults and checks", l.onWrite},
		{"foreign keys", l.foreignKeys},
		{"hypertables", l.hypertables},
	}
	for _, s := range steps {
		if err := s.load(ctx); err != nil {
			return fmt.Errorf("load %s: %w", s.what, err)
		}
	}
	return nil
}

// each runs a query and calls row after each row is scanned into dest.
func (l *loader) each(ctx context.Context, sql string, dest []any, row func()) error {
	rows, err := l.tx.Query(ctx, sql)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, dest, func() error { row(); return nil })
	return err
}

func (l *loader) schemas(ctx context.Context) error {
	var name string
	var open bool
	return l.each(ctx, querySchemas, []any{&name, &open}, func() { l.b.snap.schemas[name] = schema{open: open} })
}

func (l *loader) relations(ctx context.Context) error {
	var r relationRow
	dest := []any{&r.id, &r.schema, &r.name, &r.kind, &r.persistence, &r.rowSecurity, &r.rows}
	return l.each(ctx, queryRelations, dest, func() { l.b.relation(r) })
}

func (l *loader) inherits(ctx context.Context) error {
	var child, parent uint32
	return l.each(ctx, queryInherits, []any{&child, &parent}, func() { l.b.inherits(child, parent) })
}

func (l *loader) builtins(ctx context.Context) error {
	var schema, name, volatility string
	var oids []uint32
	return l.each(ctx, queryBuiltins, []any{&schema, &name, &volatility, &oids}, func() {
		l.b.builtin(schema, name, volatility, oids)
	})
}

func (l *loader) functions(ctx context.Context) error {
	var version int
	err := l.tx.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_version_num')::int").Scan(&version)
	if err != nil {
		return err
	}
	body := bodyTree
	if version < 140000 {
		body = bodyText
	}
	var oid uint32
	var volatility string
	var p procedure
	dest := []any{&oid, &p.name.Schema, &p.name.Name, &volatility, &p.language, &p.extension, &p.body}
	return l.each(ctx, strings.Replace(queryFunctions, "%s", body, 1), dest, func() {
		p.volatility = volatilityOf(volatility)
		l.b.function(oid, p)
	})
}

func (l *loader) views(ctx context.Context) error {
	var view uint32
	var field string
	var value int64
	return l.each(ctx, queryViews, []any{&view, &field, &value}, func() { l.b.view(view, field, value) })
}

func (l *loader) rules(ctx context.Context) error {
	var id uint32
	return l.each(ctx, queryRules, []any{&id}, func() { l.b.rule(id) })
}

func (l *loader) triggers(ctx context.Context) error {
	var id uint32
	var schema, name string
	return l.each(ctx, queryTriggers, []any{&id, &schema, &name}, func() { l.b.trigger(id, schema, name) })
}

func (l *loader) onWrite(ctx context.Context) error {
	var id uint32
	var schema, name string
	return l.each(ctx, queryOnWrite, []any{&id, &schema, &name}, func() { l.b.onWrite(id, schema, name) })
}

func (l *loader) foreignKeys(ctx context.Context) error {
	var referred, referring uint32
	var acts bool
	return l.each(ctx, queryForeignKeys, []any{&referred, &referring, &acts}, func() {
		l.b.foreignKey(referred, referring, acts)
	})
}

func (l *loader) hypertables(ctx context.Context) error {
	var has bool
	if err := l.tx.QueryRow(ctx, queryHasTimescale).Scan(&has); err != nil || !has {
		return err
	}
	var schema, name string
	return l.each(ctx, queryHypertables, []any{&schema, &name}, func() { l.b.hypertable(schema, name) })
}
