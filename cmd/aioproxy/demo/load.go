package demo

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

//go:embed schema.sql
var schema string

// table is filled by an INSERT ... SELECT that runs once per chunk of rows.
//
// Its parameters: $1, $2 first and last row number of the chunk, $3 number of rows
// of the table, $4 the time at which the sample ends. Every statement has to name
// all four, for their types.
type table struct {
	name  string
	rows  int
	chunk int
	sql   string
}

// The numbers are scrambled by multiplication, not random: two demos have the same
// data but for the dates.
const (
	insertUsers = `
INSERT INTO users (name, email, country, created_at)
SELECT 'User ' || g, 'user' || g || '@example.com',
       (ARRAY['DE','FR','US','JP','BR','IN','KE','SE'])[1 + g * 7919 % 8],
       $4::timestamptz - (g * 104729 % 600) * interval '1 day'
FROM generate_series($1::bigint, $2::bigint) g
WHERE $3::bigint > 0`

	// Nine of ten rows are spread over the last 180 days, the tenth over the last day.
	insertEvents = `
INSERT INTO events (created_at, user_id, event_type, amount, payload)
SELECT $4::timestamptz - ($3::bigint - g)::float8 / $3::bigint
           * CASE WHEN g % 10 = 0 THEN interval '1 day' ELSE interval '180 days' END,
       1 + g * 7919 % greatest($3::bigint / 60, 1),
       (ARRAY['view','view','view','click','click','cart','purchase','refund'])[1 + g * 104729 % 8],
       (g * 15485863 % 50000)::numeric / 100,
       jsonb_build_object('session', g / 12, 'mobile', g % 3 = 0)
FROM generate_series($1::bigint, $2::bigint) g`

	// Twenty devices that report together.
	insertMetrics = `
INSERT INTO metrics (ts, device, value)
SELECT $4::timestamptz - ($3::bigint - g) / 20 * 20 * (interval '7 days' / $3::bigint),
       1 + g % 20,
       50 + 20 * sin(g / 3000.0)::numeric(10,2) + (g * 7919 % 1000)::numeric / 100
FROM generate_series($1::bigint, $2::bigint) g`

	insertDocuments = `
INSERT INTO documents (title, body)
SELECT initcap(w[1 + g * 7 % 40] || ' ' || w[1 + g * 11 / 3 % 40] || ' ' || g),
       (SELECT string_agg(w[1 + abs(hashint8(g * 64 + i) % 40)], ' ') FROM generate_series(1, 50) i)
FROM generate_series($1::bigint, $2::bigint) g,
     (SELECT string_to_array('database replica primary query index cache pool session transaction log vacuum parallel '
         'worker planner join aggregate window partition table column row snapshot commit lock buffer page write read '
         'latency throughput client server proxy protocol message statement cursor trigger function view', ' ') w) words
WHERE $3::bigint > 0 AND $4::timestamptz IS NOT NULL`
)

func sampleTables(events int) []table {
	return []table{
		{"users", max(events/60, 100), 10_000, insertUsers},
		{"events", events, 50_000, insertEvents},
		{"metrics", max(events/6, 1000), 50_000, insertMetrics},
		{"documents", max(events/80, 200), 2_500, insertDocuments},
	}
}

var indexes = []string{
	"ALTER TABLE events ADD PRIMARY KEY (id, created_at)",
	"CREATE INDEX ON events (user_id)",
	"CREATE INDEX ON events USING brin (created_at)",
	"CREATE INDEX ON metrics (device, ts)",
	"CREATE INDEX ON documents USING gin (search)",
}

var statistics = []string{
	// Now rather than by autovacuum in the middle of the tour.
	"VACUUM (ANALYZE)",
	"CHECKPOINT",
}

// loadSample creates the database and returns when the replica has all of it.
func loadSample(ctx context.Context, c *testbed.Cluster, events int, say *console) error {
	if err := c.Primary().Exec(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	conn, err := c.Primary().Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	prepare := "SET synchronous_commit = off; SET maintenance_work_mem = '128MB';" + schema
	if err := execAll(ctx, conn, prepare); err != nil {
		return err
	}
	end := time.Now()
	for _, t := range sampleTables(events) {
		if err := t.fill(ctx, conn, end, say.progress(t.name, t.rows)); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	if err := execAll(ctx, conn, indexes...); err != nil {
		return err
	}
	say.step("keys and indexes")
	if err := execAll(ctx, conn, statistics...); err != nil {
		return err
	}
	say.step("statistics")
	if err := c.CatchUp(ctx); err != nil {
		return err
	}
	say.step("the replica has everything")
	return nil
}

func (t table) fill(ctx context.Context, conn *pgx.Conn, end time.Time, p *progress) error {
	for first := 1; first <= t.rows; first += t.chunk {
		last := min(first+t.chunk-1, t.rows)
		if _, err := conn.Exec(ctx, t.sql, first, last, t.rows, end); err != nil {
			return err
		}
		p.at(last)
	}
	return nil
}

// execAll uses the simple protocol, in which a text may hold several statements.
func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}
