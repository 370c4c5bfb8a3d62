// Package store keeps results: in this process and, when configured, behind it in a Redis that all instances share.
// It never gives out a result that depends on a table which changed, as far as it was told, and it never makes a query
// fail: whatever is wrong with Redis is a miss.
package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"go.uber.org/zap"
)

// Deps is what a Store needs from outside.
type Deps struct {
	Log     *zap.Logger
	Metrics *Metrics
	// OnSchema is told that the schema of a database was changed through another instance; of any database if the name is
	// empty. It may be nil and must not block. What it does is done before results are void.
	OnSchema func(database string)
}

// Store is safe for concurrent use. A nil *Store is not usable.
type Store struct {
	cfg     Config
	log     *zap.Logger
	metrics *Metrics
	schema  func(database string)
	clock   *clock
	memory  *memory
	remote  *remote     // nil with store: memory
	hearing atomic.Bool // the in-process tier hears of writes through other instances
	flights flights

	stop context.CancelFunc
	work sync.WaitGroup
}

// Fence marks the moment before a query begins. A result is kept only if none of its tables changed since.
type Fence struct {
	tables []cachepolicy.Table
	tick   tick
	tokens []token // nil when Redis is not used for this result
}

// New returns a store. It does not fail when Redis cannot be reached: the store then works without until it can. ctx bounds
// the first attempt only; Close ends the store.
func New(ctx context.Context, cfg Config, deps Deps) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, log: deps.Log.Named("store"), metrics: deps.Metrics, schema: deps.OnSchema, clock: newClock()}
	if s.schema == nil {
		s.schema = func(string) {}
	}
	s.flights.byKey = make(map[cachepolicy.Key]*Flight)
	var err error
	if s.memory, err = newMemory(uint64(cfg.MemoryLimit), deps.Metrics.evictions.Inc); err != nil {
		return nil, err
	}
	stats := s.Stats
	deps.Metrics.stats.Store(&stats)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	if cfg.Store == Memory {
		s.hearing.Store(true)
		return s, nil
	}
	s.remote = newRemote(cfg, Deps{Log: s.log, Metrics: s.metrics})
	if err := s.remote.recover(ctx); err != nil {
		s.log.Warn("redis cannot be used yet", zap.String("address", cfg.Redis.Address), zap.Error(err))
	}
	s.work.Go(func() { s.remote.keep(work) })
	s.work.Go(func() { s.listen(work) })
	return s, nil
}

// Close ends the background work and the connections. No other method may be called afterwards or meanwhile.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	done := make(chan struct{})
	var closing sync.WaitGroup
	closing.Go(func() {
		s.work.Wait()
		close(done)
	})
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.remote == nil {
		return nil
	}
	return s.remote.client.Close()
}

// Get returns the valid entry of a key, or nil and why there is none. tables are those of the verdict that made the key.
// It waits for Redis at most redis.timeout.
func (s *Store) Get(ctx context.Context, key cachepolicy.Key, tables []cachepolicy.Table) (*Entry, Status) {
	r, status := s.get(ctx, key, tables)
	s.metrics.lookup(status)
	if r == nil {
		return nil, status
	}
	return &r.entry, status
}

func (s *Store) get(ctx context.Context, key cachepolicy.Key, tables []cachepolicy.Table) (*record, Status) {
	now := time.Now()
	status := Miss
	if s.hearing.Load() {
		var r *record
		if r, status = s.memory.get(key, tables, s.clock, now); r != nil {
			return r, status
		}
	}
	if s.remote == nil {
		return nil, status
	}
	before := s.clock.read() // a change heard of after this voids the copy in the in-process tier
	r, status := s.remote.get(ctx, key, tables, now)
	if r != nil && s.hearing.Load() {
		r.tick = before
		s.memory.put(key, r)
	}
	return r, status
}

// Fence is to be called before a query begins whose result may be kept.
func (s *Store) Fence(ctx context.Context, tables []cachepolicy.Table) Fence {
	f := Fence{tables: tables, tick: s.clock.read()}
	if s.remote != nil {
		f.tokens = s.remote.fence(ctx, tables)
	}
	return f
}

// holds reports whether no change of the fence's tables was heard of since, and whether it would have been.
func (s *Store) holds(f Fence) bool {
	return s.hearing.Load() && s.clock.valid(f.tables, f.tick)
}

// Put keeps a result for ttl from its creation, default_ttl if ttl is 0. The entry belongs to the store from then on. A
// result overtaken by a change of its tables is not kept.
func (s *Store) Put(ctx context.Context, key cachepolicy.Key, e *Entry, f Fence, ttl time.Duration) Outcome {
	o := s.put(ctx, key, e, f, ttl)
	s.metrics.fill(o)
	return o
}

func (s *Store) put(ctx context.Context, key cachepolicy.Key, e *Entry, f Fence, ttl time.Duration) Outcome {
	if ttl <= 0 {
		ttl = s.cfg.DefaultTTL
	}
	now := time.Now()
	r := &record{entry: *e, tables: f.tables, tokens: f.tokens, tick: f.tick}
	if r.entry.Created.IsZero() {
		r.entry.Created = now
	}
	r.expires = r.entry.Created.Add(ttl)
	switch {
	case int64(e.Size()) > int64(s.cfg.MaxResultSize):
		return TooLarge
	case e.Cost < s.cfg.MinCost:
		return TooCheap
	case r.expired(now):
		return TooOld
	case !s.clock.valid(f.tables, f.tick):
		return Overtaken
	}
	local := s.hearing.Load()
	if local {
		s.memory.put(key, r)
	}
	shared := f.tokens != nil && s.remote.put(ctx, key, r, r.expires.Sub(now))
	switch {
	case s.remote == nil || shared:
		return Kept
	case local:
		return KeptMemory
	}
	return NoTier
}

// Invalidate voids all results that depend on tables, in this process when it returns, and in Redis and in the other
// instances as far as they can be reached within redis.invalidate_timeout. A writer is answered after it.
//
// The in-process clock is moved twice. Before, so that nobody here reads what is known to be old while Redis is being told;
// after, because a lookup meanwhile may have copied the old entry from Redis.
func (s *Store) Invalidate(ctx context.Context, tables []cachepolicy.Table) {
	if len(tables) == 0 {
		return
	}
	s.metrics.invalidation(originHere)
	s.clock.change(tables)
	if s.remote != nil {
		s.remote.invalidate(ctx, tables)
		s.clock.change(tables)
	}
}

// Clear voids everything, in Redis for all instances.
func (s *Store) Clear(ctx context.Context) {
	s.Invalidate(ctx, []cachepolicy.Table{cachepolicy.Everything})
	s.forget(originClear)
}

// forget voids everything in this process and gives the memory back.
func (s *Store) forget(o origin) {
	s.metrics.invalidation(o)
	s.clock.change([]cachepolicy.Table{cachepolicy.Everything})
	s.memory.cache.InvalidateAll()
}

// Stats describes a store at one moment.
type Stats struct {
	Entries      int
	Bytes        uint64 // of the in-process tier
	Limit        uint64
	MemoryUsable bool
	Redis        bool // configured
	RedisUsable  bool // reached and trusted
}

// Stats counts what is kept. Entries that are void count until they are asked for or make room.
func (s *Store) Stats() Stats {
	return Stats{
		Entries:      s.memory.cache.EstimatedSize(),
		Bytes:        s.memory.cache.WeightedSize(),
		Limit:        uint64(s.cfg.MemoryLimit),
		MemoryUsable: s.hearing.Load(),
		Redis:        s.remote != nil,
		RedisUsable:  s.remote != nil && s.remote.up.Load(),
	}
}
