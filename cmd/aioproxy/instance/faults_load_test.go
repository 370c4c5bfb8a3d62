package instance_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// The clients of a load. Every writer owns one row of counters, which only grows; the rest of the tables is ballast that
// makes aggregates analytics.
const (
	faultWriters = 3
	faultReaders = 2 // of each kind

	countersTotal = "SELECT sum(n) FROM counters WHERE id <= 1000"
	factsTotal    = "SELECT kind, count(*), sum(amount) FROM facts GROUP BY kind ORDER BY kind"
)

// The kinds of statements whose fate is told apart.
const (
	kindWrite    = "write"
	kindPoint    = "point read"
	kindAnalytic = "analytic read"
	kindCached   = "cached analytic read"
	kindConnect  = "connect"
)

// tally is what clients saw of one kind of statement in one stage.
type tally struct {
	ok     int
	errors map[string]int
	pause  time.Duration // the longest time from a client's first attempt to its success
}

// faultLoad is steady work of several clients through a proxy.
type faultLoad struct {
	dsn   string
	facts string // the one true answer of factsTotal

	acked     [faultWriters]atomic.Int64 // what a writer was told is committed
	attempted [faultWriters]atomic.Int64 // the largest value it has sent
	lenient   atomic.Bool                // acknowledged commits may be missing: the primary is gone and the replica may lack some

	mu struct {
		sync.Mutex
		stage  string
		stages []string
		seen   map[string]map[string]*tally // by stage and kind
		wrong  []string
	}
	stop    context.CancelFunc
	clients sync.WaitGroup
}

// startLoad begins the work; stopLoad ends it.
func startLoad(t *testing.T, dsn, facts string) *faultLoad {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &faultLoad{dsn: dsn, facts: facts, stop: stop}
	l.mu.seen = map[string]map[string]*tally{}
	l.enter("start")
	for i := range faultWriters {
		l.clients.Go(func() { l.client(ctx, func(c *faultClient) { c.write(i) }) })
	}
	for i := range faultReaders {
		l.clients.Go(func() { l.client(ctx, func(c *faultClient) { c.readPoint(i) }) })
		l.clients.Go(func() { l.client(ctx, (*faultClient).readAnalytic) })
		l.clients.Go(func() { l.client(ctx, (*faultClient).readCached) })
	}
	t.Cleanup(l.end)
	return l
}

func (l *faultLoad) end() { l.stop(); l.clients.Wait() }

// enter begins a stage: what is seen from now on counts for it.
func (l *faultLoad) enter(stage string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.stage = stage
	l.mu.stages = append(l.mu.stages, stage)
	l.mu.seen[stage] = map[string]*tally{}
	for _, kind := range []string{kindWrite, kindPoint, kindAnalytic, kindCached, kindConnect} {
		l.mu.seen[stage][kind] = &tally{errors: map[string]int{}}
	}
}

// successes counts what went well in the stage of now.
func (l *faultLoad) successes(kind string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.seen[l.mu.stage][kind].ok
}

// failures counts errors of the stage of now.
func (l *faultLoad) failures(kind, code string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.seen[l.mu.stage][kind].errors[code]
}

// flows waits until each of the kinds had n more successes.
func (l *faultLoad) flows(t *testing.T, n int, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		before := l.successes(kind)
		require.Eventually(t, func() bool { return l.successes(kind) >= before+n }, faultPatience, faultInterval, "%ss flow", kind)
	}
}

func (l *faultLoad) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.wrong = append(l.mu.wrong, l.mu.stage+": "+fmt.Sprintf(format, args...))
}

// report is a table of what clients saw.
func (l *faultLoad) report() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, stage := range l.mu.stages {
		for _, kind := range []string{kindWrite, kindPoint, kindAnalytic, kindCached, kindConnect} {
			s := l.mu.seen[stage][kind]
			if s.ok == 0 && len(s.errors) == 0 {
				continue
			}
			fmt.Fprintf(&b, "%-28s %-21s %6d ok  longest pause %5d ms ", stage, kind, s.ok, s.pause.Milliseconds())
			for _, code := range slices.Sorted(maps.Keys(s.errors)) {
				fmt.Fprintf(&b, " %s ×%d", code, s.errors[code])
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// faultClient is one connection that is opened again when it is lost.
type faultClient struct {
	load  *faultLoad
	ctx   context.Context
	conn  *pgx.Conn
	since map[string]time.Time // by kind: when the first attempt since the last success began
}

func (l *faultLoad) client(ctx context.Context, work func(*faultClient)) {
	c := &faultClient{load: l, ctx: ctx, since: map[string]time.Time{}}
	ticker := time.NewTicker(2 * time.Millisecond) // steady, not as much as the machine can do: others need it too
	defer ticker.Stop()
	for ctx.Err() == nil {
		if c.conn == nil || c.conn.IsClosed() {
			c.begin(kindConnect)
			conn, err := pgx.Connect(ctx, l.dsn)
			c.note(kindConnect, err)
			if err != nil {
				<-ticker.C
				continue
			}
			c.conn = conn
		}
		work(c)
		<-ticker.C
	}
	if c.conn != nil {
		_ = c.conn.Close(context.Background())
	}
}

// begin takes down that a statement is tried.
func (c *faultClient) begin(kind string) {
	if c.since[kind].IsZero() {
		c.since[kind] = time.Now()
	}
}

// note takes down how it ended.
func (c *faultClient) note(kind string, err error) {
	if c.ctx.Err() != nil {
		return // the load is ending
	}
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	s := c.load.mu.seen[c.load.mu.stage][kind]
	if err != nil {
		s.errors[faultCode(err)]++
		return
	}
	s.ok++
	s.pause = max(s.pause, time.Since(c.since[kind]))
	delete(c.since, kind)
}

func faultCode(err error) string {
	var pgErr *pgconn.PgError
	switch {
	case errors.As(err, &pgErr):
		return pgErr.Code
	case strings.Contains(err.Error(), "EOF"), strings.Contains(err.Error(), "reset by peer"), strings.Contains(err.Error(), "broken pipe"):
		return "connection lost"
	}
	return err.Error()
}

// write raises the writer's counter and then expects everybody to know, itself first.
func (c *faultClient) write(i int) {
	n := c.load.attempted[i].Add(1)
	c.begin(kindWrite)
	_, err := c.conn.Exec(c.ctx, "UPDATE counters SET n = $1 WHERE id = $2", n, i+1)
	c.note(kindWrite, err)
	if err != nil {
		return
	}
	c.load.acked[i].Store(n)
	c.readPoint(i)
	c.readAnalytic()
}

// readPoint reads one counter: nothing acknowledged before may be missing.
func (c *faultClient) readPoint(i int) {
	strict, floor := !c.load.lenient.Load(), c.load.acked[i].Load()
	var n int64
	c.begin(kindPoint)
	err := c.conn.QueryRow(c.ctx, "SELECT n FROM counters WHERE id = $1", i+1).Scan(&n)
	c.note(kindPoint, err)
	c.judge(err, fmt.Sprintf("point read of counter %d", i+1), strict, n, floor, c.load.attempted[i].Load())
}

// readAnalytic sums the counters: the same, for what may come from the replica or the cache.
func (c *faultClient) readAnalytic() {
	strict := !c.load.lenient.Load()
	var floor, most, n int64
	for i := range faultWriters {
		floor += c.load.acked[i].Load()
	}
	c.begin(kindAnalytic)
	err := c.conn.QueryRow(c.ctx, countersTotal).Scan(&n)
	for i := range faultWriters {
		most += c.load.attempted[i].Load()
	}
	c.note(kindAnalytic, err)
	c.judge(err, "sum of counters", strict, n, floor, most)
}

func (c *faultClient) judge(err error, what string, strict bool, n, floor, most int64) {
	if err != nil {
		return
	}
	if n > most {
		c.load.wrong("%s: %d, but only %d was ever written", what, n, most)
	}
	if strict && !c.load.lenient.Load() && n < floor {
		c.load.wrong("%s: %d, but %d was acknowledged before", what, n, floor)
	}
}

// readCached asks for what never changes.
func (c *faultClient) readCached() {
	c.begin(kindCached)
	got, err := factsAnswer(c.ctx, c.conn)
	c.note(kindCached, err)
	if err == nil && got != c.load.facts {
		c.load.wrong("facts: %q", got)
	}
}

func factsAnswer(ctx context.Context, conn *pgx.Conn) (string, error) {
	rows, err := conn.Query(ctx, factsTotal)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values...), err
	})
	return strings.Join(lines, "\n"), err
}
