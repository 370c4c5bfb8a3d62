package demo

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// comparison says what the answer of a step has to equal.
type comparison uint8

const (
	nothing  comparison = iota
	primary             // the answer of the primary, asked directly
	previous            // the answer of the step before: a result kept by time_ttl is as old as that
)

// step is one statement of the tour.
type step struct {
	sql     string
	args    []any
	mode    pgx.QueryExecMode
	want    expectation
	compare comparison
	// timed steps are the aggregate whose times the tour sums up.
	timed bool
	// plan is set for EXPLAIN: the number of planned workers is shown.
	plan bool
}

const (
	aggregateSQL = `SELECT event_type, count(*), avg(amount) FROM events GROUP BY event_type ORDER BY event_type`
	lastDaySQL   = `SELECT event_type, sum(amount) FROM events WHERE created_at > now() - interval '1 day'
		GROUP BY event_type ORDER BY event_type`
	searchSQL = `SELECT id, title FROM documents WHERE search @@ websearch_to_tsquery('english', $1)
		ORDER BY ts_rank(search, websearch_to_tsquery('english', $1)) DESC, id LIMIT 5`
	bucketSQL = `SELECT date_bin('15 minutes', ts, '2000-01-01') AS bucket, avg(value), max(value) FROM metrics
		WHERE ts >= $1 AND ts < $2 GROUP BY bucket ORDER BY bucket`
	newUserSQL  = `INSERT INTO users (name, email, country) VALUES ($1, $2, $3) RETURNING id`
	readUserSQL = `SELECT name, email, country FROM users WHERE id = $1`
	newEventSQL = `INSERT INTO events (user_id, event_type, amount) VALUES (42, 'purchase', 99.90)`
)

// tourSteps shows the simple and the extended protocol, with and without named statements.
func tourSteps(now time.Time) []step {
	const (
		simple   = pgx.QueryExecModeSimpleProtocol
		unnamed  = pgx.QueryExecModeExec
		prepared = pgx.QueryExecModeCacheStatement
	)
	onPrimary := expectation{class: []string{"oltp"}, target: "primary", cache: []string{"bypass", ""}}
	onReplica := func(class ...string) expectation {
		return expectation{class: class, target: "replica", cache: []string{"miss"}}
	}
	cached := func(class ...string) expectation {
		return expectation{class: class, target: "cache", cache: []string{"hit"}}
	}
	hour := now.Truncate(time.Hour)

	aggregate := step{sql: aggregateSQL, mode: simple, compare: primary, timed: true}
	lastDay := step{sql: lastDaySQL, mode: prepared, compare: primary}
	buckets := step{sql: bucketSQL, args: []any{hour.Add(-24 * time.Hour), hour}, mode: prepared, compare: primary}
	return []step{
		{sql: newUserSQL, args: []any{"Ada", "ada@example.com", "GB"}, mode: prepared, want: onPrimary},
		{sql: readUserSQL, args: []any{42}, mode: prepared, want: onPrimary, compare: primary},
		{sql: "EXPLAIN " + aggregateSQL, mode: simple, plan: true},
		aggregate.expect(onReplica("olap")),
		aggregate.expect(cached("olap")),
		{sql: newEventSQL, mode: simple, want: onPrimary},
		aggregate.expect(onReplica("olap")),
		lastDay.expect(onReplica("olap", "timeseries")),
		lastDay.expect(cached("olap", "timeseries")).comparedWith(previous),
		{sql: searchSQL, args: []any{"parallel replica"}, mode: unnamed, want: onReplica("search"), compare: primary},
		buckets.expect(onReplica("timeseries")),
	}
}

func (s step) expect(want expectation) step {
	s.want = want
	return s
}

func (s step) comparedWith(c comparison) step {
	s.compare = c
	return s
}
