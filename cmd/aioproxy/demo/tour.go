package demo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// tour runs the same statements through the proxy and, for comparison, on the primary.
type tour struct {
	proxied *pgx.Conn
	direct  *pgx.Conn
	// last asks the session what happened to the statement before.
	last func(ctx context.Context, conn *pgx.Conn) (outcome, error)
	say  *console

	previous result
	times    map[string]time.Duration // of the aggregate, by target or "direct"; the shortest
}

// result is an answer as it came over the wire.
type result struct {
	rows    [][][]byte
	elapsed time.Duration
}

const warmUpTimeout = 15 * time.Second

// An aggregate that is not part of the tour, and slow enough to stay analytic however often it runs.
var warmUpStep = step{
	sql:  "SELECT user_id % 10, count(*), avg(amount) FROM events GROUP BY 1",
	mode: pgx.QueryExecModeSimpleProtocol,
}

// warmUp returns when the proxy knows the database and its replica, or after
// warmUpTimeout: the tour then says what is wrong.
func (t *tour) warmUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, warmUpTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := query(ctx, t.proxied, warmUpStep); err != nil {
			return err
		}
		got, err := t.last(ctx, t.proxied)
		if err != nil {
			return err
		}
		if got.target == "replica" || got.target == "cache" {
			return nil
		}
		select {
		case <-ctx.Done():
			t.say.step("no analytic read went to the replica within %s (%s)", warmUpTimeout, got.why())
			return nil
		case <-tick.C:
		}
	}
}

// run returns what did not go as expected; an error is a statement that failed.
func (t *tour) run(ctx context.Context, steps []step) ([]string, error) {
	t.times = map[string]time.Duration{}
	t.say.line("")
	t.say.tourHeader()
	var deviations []string
	for i, s := range steps {
		list, err := t.one(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("step %d (%s): %w", i+1, shorten(s.sql, 40), err)
		}
		for _, d := range list {
			t.say.line("    ! %s", d)
			deviations = append(deviations, fmt.Sprintf("step %d (%s): %s", i+1, shorten(s.sql, 40), d))
		}
	}
	t.summary()
	return deviations, nil
}

func (t *tour) one(ctx context.Context, s step) ([]string, error) {
	var before result
	var err error
	if s.compare == primary {
		if before, err = query(ctx, t.direct, s); err != nil {
			return nil, fmt.Errorf("on the primary: %w", err)
		}
	}
	got, err := query(ctx, t.proxied, s)
	if err != nil {
		return nil, err
	}
	out, err := t.last(ctx, t.proxied)
	if err != nil {
		return nil, err
	}
	t.say.tourRow(s.sql, out.class, out.target, out.cache, milliseconds(got.elapsed), out.why())
	if s.plan {
		t.say.line("    the plan has %s parallel workers", plannedWorkers(got))
	}
	if s.timed {
		t.note("direct", before.elapsed)
		t.note(out.target, got.elapsed)
	}
	deviations := s.want.deviations(out)
	wrong, err := t.wrongAnswer(ctx, s, before, got)
	if wrong != "" {
		deviations = append(deviations, wrong)
	}
	t.previous = got
	return deviations, err
}

// wrongAnswer says in what way got is wrong, "" if it is right. An answer that
// depends on the time may equal the primary's of before or of after.
func (t *tour) wrongAnswer(ctx context.Context, s step, before, got result) (string, error) {
	if s.compare != nothing && len(got.rows) == 0 {
		return "the answer has no rows", nil
	}
	switch s.compare {
	case nothing:
		return "", nil
	case previous:
		if !got.equal(t.previous) {
			return "the answer differs from the one that was kept", nil
		}
		return "", nil
	case primary:
		if got.equal(before) {
			return "", nil
		}
		after, err := query(ctx, t.direct, s)
		if err != nil || got.equal(after) {
			return "", err
		}
		return "the answer differs from the primary's", nil
	}
	return "", nil
}

func (r result) equal(other result) bool { return reflect.DeepEqual(r.rows, other.rows) }

// query runs one statement to its last row.
func query(ctx context.Context, conn *pgx.Conn, s step) (result, error) {
	start := time.Now()
	rows, err := conn.Query(ctx, s.sql, append([]any{s.mode}, s.args...)...)
	if err != nil {
		return result{}, err
	}
	defer rows.Close()
	var r result
	for rows.Next() {
		var row [][]byte
		for _, value := range rows.RawValues() {
			row = append(row, slices.Clone(value))
		}
		r.rows = append(r.rows, row)
	}
	r.elapsed = time.Since(start)
	return r, rows.Err()
}

// readLast reads SHOW aioproxy.last by the names of its columns.
func readLast(ctx context.Context, conn *pgx.Conn) (outcome, error) {
	row, err := namedRow(ctx, conn, "SHOW aioproxy.last")
	if err != nil {
		return outcome{}, fmt.Errorf("SHOW aioproxy.last: %w", err)
	}
	return outcome{
		class: row["class"], target: row["target"], node: row["node"],
		reason: row["reason"], cache: row["cache"], cacheReason: row["cache_reason"],
	}, nil
}

// namedRow returns the only row of a statement as text by column.
func namedRow(ctx context.Context, conn *pgx.Conn, sql string) (map[string]string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return nil, errors.New("expected one row")
	}
	row := make(map[string]string)
	for i, field := range results[0].FieldDescriptions {
		row[field.Name] = string(results[0].Rows[0][i])
	}
	return row, nil
}

var workersPattern = regexp.MustCompile(`Workers Planned: (\d+)`)

// plannedWorkers finds them in an EXPLAIN.
func plannedWorkers(plan result) string {
	for _, row := range plan.rows {
		if m := workersPattern.FindSubmatch(row[0]); m != nil {
			return string(m[1])
		}
	}
	return "no"
}

// note keeps the shortest time per place.
func (t *tour) note(place string, d time.Duration) {
	if old, ok := t.times[place]; !ok || d < old {
		t.times[place] = d
	}
}

func (t *tour) summary() {
	t.say.line("")
	t.say.line("The aggregate over all events, the shortest of the runs above:")
	for _, place := range []struct{ target, text string }{
		{"direct", "direct connection to the primary"},
		{"primary", "through aioproxy, from the primary"},
		{"replica", "through aioproxy, from the replica"},
		{"cache", "through aioproxy, from the cache"},
	} {
		if d, ok := t.times[place.target]; ok {
			t.say.line("  %-36s %10s", place.text, milliseconds(d))
		}
	}
}
