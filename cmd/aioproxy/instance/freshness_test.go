package instance_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/configs"
)

const (
	checkedFor = 3 * time.Second
	counters   = 6 // one row and one writing session each
	freshQuery = "SELECT id, n FROM counters ORDER BY id"
)

// A read that follows one of a replica can see less on the primary or, with cached results, in the cache: for a moment a
// replica shows a commit that the primary does not show yet (DESIGN.md section 4) and that no writer has an answer to. This
// is counted, and nothing of it may be acknowledged.
//
// checker lets sessions write and read at the same time. Each counter is counted up by one writer; how far it was
// acknowledged is noted before a read begins, and what the read returns is held against that.
type checker struct {
	t     *testing.T
	acked [counters]atomic.Int64
	times [counters]sync.Map // when each value was acknowledged

	reads                     atomic.Int64
	counts                    sync.Map     // of reads by target, and of those among them that saw less than the session's last
	stale, forgotten          atomic.Int64 // values older than anyone's acknowledged write, than the session's own
	writes, failures, maxMore atomic.Int64 // maxMore: the most that a stale read was behind in time, in ns
}

func (c *checker) wrote(i int, n int64) {
	c.times[i].Store(n, time.Now())
	c.acked[i].Store(n)
	c.writes.Add(1)
}

// write counts up counter i once, through a transaction now and then.
func (c *checker) write(ctx context.Context, conn *pgx.Conn, i int) error {
	n := c.acked[i].Load() + 1
	sql := fmt.Sprintf("UPDATE counters SET n = %d WHERE id = %d", n, i)
	if n%5 == 0 {
		sql = "BEGIN; " + sql + "; COMMIT"
	}
	if _, err := trySimple(ctx, conn, sql); err != nil {
		return err
	}
	c.wrote(i, n)
	return nil
}

// session is what one session knows: the last values that it has read, and its own counter, -1 if it does not write.
type session struct {
	own  int
	seen [counters]int64
}

func (c *checker) read(ctx context.Context, conn *pgx.Conn, s *session, sql string) error {
	var floor [counters]int64
	for i := range floor {
		floor[i] = c.acked[i].Load()
	}
	began, turned := time.Now(), false
	rows, err := trySimple(ctx, conn, sql)
	if err != nil {
		return err
	}
	for i, row := range rows {
		n, err := strconv.ParseInt(row[1], 10, 64)
		if err != nil {
			return err
		}
		if n < floor[i] {
			c.stale.Add(1)
			if at, ok := c.times[i].Load(n + 1); ok {
				c.maxMore.Store(max(c.maxMore.Load(), int64(began.Sub(at.(time.Time)))))
			}
			if s.own == i {
				c.forgotten.Add(1)
			}
		}
		turned = turned || n < s.seen[i]
		s.seen[i] = max(s.seen[i], n)
	}
	c.reads.Add(1)
	target := lastOf(c.t, conn).target
	c.count(target)
	if turned {
		c.count("backwards on " + target)
	}
	return nil
}

func (c *checker) count(what string) {
	n, _ := c.counts.LoadOrStore(what, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (c *checker) of(what string) int64 {
	if n, ok := c.counts.Load(what); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

func (c *checker) String() string {
	return fmt.Sprintf("%d writes, %d reads (replica %d, primary %d, cache %d): stale %d (at most %v old), own write missing %d, backwards on replica %d, primary %d, cache %d",
		c.writes.Load(), c.reads.Load(), c.of("replica"), c.of("primary"), c.of("cache"), c.stale.Load(),
		time.Duration(c.maxMore.Load()), c.forgotten.Load(), c.of("backwards on replica"), c.of("backwards on primary"),
		c.of("backwards on cache"))
}

// plan says who takes part in a check.
type plan struct {
	around  int    // of the writers, those that write around aioproxy
	readers int    // sessions that only read; writers through aioproxy read as well
	sql     string // what is read
}

// run lets all sessions work for a while.
func (c *checker) run(f *front, primary *testbed.Node, db string, p plan) {
	ctx, stop := context.WithTimeout(c.t.Context(), checkedFor)
	defer stop()
	var all sync.WaitGroup
	work := func(conn *pgx.Conn, step func(context.Context, *pgx.Conn) error) {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := step(c.t.Context(), conn); err != nil {
					c.failures.Add(1)
					c.t.Error(err)
					return
				}
			}
		})
	}
	for i := range counters {
		if i < p.around {
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			work(connect(c.t, primary.DSN(db)), func(ctx context.Context, conn *pgx.Conn) error {
				<-pace.C
				return c.write(ctx, conn, i)
			})
			continue
		}
		s := &session{own: i}
		work(connect(c.t, f.dsn(db)), func(ctx context.Context, conn *pgx.Conn) error {
			if err := c.write(ctx, conn, i); err != nil {
				return err
			}
			for range 3 {
				if err := c.read(ctx, conn, s, p.sql); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range p.readers {
		s := &session{own: -1}
		work(connect(c.t, f.dsn(db)), func(ctx context.Context, conn *pgx.Conn) error { return c.read(ctx, conn, s, p.sql) })
	}
	all.Wait()
}

// hesitate pauses and resumes a replica's replay until the test ends.
func hesitate(t *testing.T, replica *testbed.Node) {
	conn := connect(t, replica.DSN("postgres"))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var pausing sync.WaitGroup
	pausing.Go(func() {
		for ctx.Err() == nil {
			for _, step := range []string{"pg_wal_replay_pause()", "pg_wal_replay_resume()"} {
				if _, err := trySimple(context.WithoutCancel(ctx), conn, "SELECT "+step); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(10+rand.IntN(50)) * time.Millisecond):
				}
			}
		}
	})
	t.Cleanup(func() { stop(); pausing.Wait() })
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	c := ownServers(t, 2)
	const plain, cached = "/* aioproxy: class=olap, cache=off */ " + freshQuery, "/* aioproxy: class=olap, cache=on */ " + freshQuery
	for _, check := range []struct {
		name, consistency string
		plan              plan
		judge             func(*testing.T, *checker)
	}{
		{"global", "global", plan{around: 2, readers: 4, sql: plain}, func(t *testing.T, c *checker) {
			require.Zero(t, c.stale.Load())
			require.Zero(t, c.of("backwards on replica"))
			require.Positive(t, c.of("replica"))
		}},
		{"global with cached results, all writes through aioproxy", "global", plan{readers: 4, sql: cached}, func(t *testing.T, c *checker) {
			require.Zero(t, c.stale.Load())
			require.Positive(t, c.of("cache"))
		}},
		{"session", "session", plan{around: 2, readers: 4, sql: plain}, func(t *testing.T, c *checker) {
			require.Zero(t, c.forgotten.Load())
			require.Zero(t, c.of("backwards on replica"))
			require.Positive(t, c.of("replica"))
		}},
		{"session with cached results, all writes through aioproxy", "session", plan{readers: 4, sql: cached}, func(t *testing.T, c *checker) {
			require.Zero(t, c.forgotten.Load())
			require.Positive(t, c.of("cache"))
		}},
		// The same checker finds what a build without positions would do.
		{"eventual", "eventual", plan{around: 2, readers: 4, sql: plain}, func(t *testing.T, c *checker) {
			require.Positive(t, c.stale.Load())
			require.Positive(t, c.forgotten.Load())
			require.Positive(t, c.of("backwards on replica"))
			require.Less(t, time.Duration(c.maxMore.Load()), 2*time.Second, "max_replica_lag and the time to notice")
		}},
	} {
		t.Run(check.name, func(t *testing.T) {
			db := sample(t, c, "fresh", "CREATE TABLE counters (id int PRIMARY KEY, n bigint) WITH (fillfactor = 10)",
				fmt.Sprintf("INSERT INTO counters SELECT i, 0 FROM generate_series(0, %d) i", counters-1), "ANALYZE")
			f := start(t, c, func(cfg *configs.Config) {
				keepAll(cfg)
				cfg.Router.Consistency = check.consistency
				cfg.Cluster.MaxReplicaLag, cfg.Cluster.CheckInterval = time.Second, 200*time.Millisecond
			})
			known(t, connect(t, f.dsn(db)), plain)
			for _, r := range c.Replicas() {
				hesitate(t, r)
			}
			k := &checker{t: t}
			k.run(f, c.Primary(), db, check.plan)
			t.Logf("%s: %v", check.consistency, k)
			check.judge(t, k)
		})
	}
}
