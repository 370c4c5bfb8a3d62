// Package catalog knows what names mean in a database: the relations behind views and partitions, what functions may do,
// row security. It loads each database's system catalogues over a connection of the control role and answers from memory.
package catalog

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/parser"
)

// Deps is what the catalog needs of others.
type Deps struct {
	// Connect opens a connection of the control role to a database of the primary: on a replica, what Invalidate tells of
	// may not have arrived yet. The catalog closes it after each load, so that it
	// never keeps a database from being dropped.
	Connect func(ctx context.Context, database string) (*pgx.Conn, error)
	Log     *zap.Logger
	Metrics *Metrics
}

// Catalog keeps what is known of each database. Safe for concurrent use.
type Catalog struct {
	cfg  Config
	deps Deps
	wake chan struct{} // one token: some database may be due

	// databases is copied on every change, so that Resolve takes no lock.
	databases atomic.Pointer[map[string]*database]
	mu        sync.Mutex // held to change databases
	full      sync.Once  // logs once that there are too many
}

// New returns a catalog that knows nothing yet and loads what it is asked for while Run runs.
func New(cfg Config, deps Deps) *Catalog {
	if deps.Log == nil {
		deps.Log = zap.NewNop()
	}
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	deps.Log = deps.Log.Named("catalog")
	c := &Catalog{cfg: cfg, deps: deps, wake: make(chan struct{}, 1)}
	c.databases.Store(&map[string]*database{})
	return c
}

// Resolve says what the names of a text mean for a search path (as PostgreSQL reports the setting) and a current user.
// It does no I/O. It returns nil when the database is not loaded or its catalogues have changed since; a load is under
// way then. The result is shared and must not be changed.
func (c *Catalog) Resolve(db string, f *parser.Facts, searchPath, user string) *Resolution {
	d := (*c.databases.Load())[db]
	if d == nil {
		c.open(db)
		c.nudge()
		return nil
	}
	if !d.used.Load() {
		d.used.Store(true)
	}
	s := d.snap.Load()
	if s == nil {
		return nil
	}
	key := memoKey{facts: f, searchPath: searchPath}
	if strings.Contains(searchPath, userSchema) {
		key.user = user
	}
	if r := s.memo.get(key); r != nil {
		return r
	}
	return c.resolve(d, s, key)
}

func (c *Catalog) resolve(d *database, s *snapshot, key memoKey) *Resolution {
	// The caller's strings may alias its buffers.
	key.searchPath, key.user = strings.Clone(key.searchPath), strings.Clone(key.user)
	r := s.resolve(key.facts, schemas(key.searchPath, key.user))
	if r.Unknown != "" {
		c.deps.Metrics.unknown.Inc()
		if d.miss(r.Unknown, time.Now()) {
			c.nudge()
		}
	}
	s.memo.shard(key).put(key, r)
	return r
}

// Invalidate makes Resolve return nil for a database until a load that begins after this call has finished.
func (c *Catalog) Invalidate(db string) {
	if d := (*c.databases.Load())[db]; d != nil {
		d.invalidate(time.Now())
		c.nudge()
	}
}

// InvalidateAll is Invalidate for all databases.
func (c *Catalog) InvalidateAll() {
	for _, d := range *c.databases.Load() {
		d.invalidate(time.Now())
	}
	c.nudge()
}

// Load loads a database and returns when it is known.
func (c *Catalog) Load(ctx context.Context, db string) error {
	d := c.open(db)
	if d == nil {
		return fmt.Errorf("load catalog of %q: %d databases are known already (catalog_max_databases)", db, c.cfg.MaxDatabases)
	}
	for {
		current, err := c.load(ctx, d)
		if err != nil || current {
			return err
		}
	}
}

// AwaitLoad returns when a load of the database that runs has ended, or ctx. A load that begins later is not waited for.
func (c *Catalog) AwaitLoad(ctx context.Context, db string) {
	d := (*c.databases.Load())[db]
	if d == nil {
		return
	}
	select {
	case d.gate <- struct{}{}:
		<-d.gate
	case <-ctx.Done():
	}
}

// RelationName returns the qualified name of a relation, for people.
func (c *Catalog) RelationName(db string, id RelID) (parser.Name, bool) {
	d := (*c.databases.Load())[db]
	if d == nil {
		return parser.Name{}, false
	}
	s := d.snap.Load()
	if s == nil {
		return parser.Name{}, false
	}
	r := s.relations[id]
	if r == nil {
		return parser.Name{}, false
	}
	return r.name, true
}

// open returns the database, adding it if there is room; nil otherwise.
func (c *Catalog) open(db string) *database {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.databases.Load()
	if d := old[db]; d != nil {
		return d
	}
	if len(old) >= c.cfg.MaxDatabases {
		c.full.Do(func() {
			c.deps.Log.Warn("too many databases: statements of further ones go to the primary, uncached",
				zap.Int("catalog_max_databases", c.cfg.MaxDatabases))
		})
		return nil
	}
	next := maps.Clone(old)
	d := newDatabase(strings.Clone(db), time.Now())
	next[d.name] = d
	c.databases.Store(&next)
	c.deps.Metrics.databases.Set(float64(len(next)))
	return d
}

// drop forgets a database.
func (c *Catalog) drop(d *database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := maps.Clone(*c.databases.Load())
	delete(next, d.name)
	c.databases.Store(&next)
	c.deps.Metrics.databases.Set(float64(len(next)))
}

func (c *Catalog) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
