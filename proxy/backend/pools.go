package backend

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/proxy/auth"
)

// Pools holds one Pool per Key. Safe for concurrent use.
//
// Lock order: Pools.mu, then Pool.mu. No I/O happens under either.
type Pools struct {
	deps    Deps
	log     *zap.Logger
	metrics *Metrics
	cfg     atomic.Pointer[Config]
	epoch   time.Time
	drained chan struct{} // has room for one: somebody closed a connection while Close was waiting
	closing atomic.Bool

	mu struct {
		sync.RWMutex
		pools map[Key]*Pool
	}
}

// Deps is what Pools is given.
type Deps struct {
	Log     *zap.Logger
	Metrics *Metrics
	TLS     TLS // for all servers
	// Bereaved hears of every tenant whose home was closed by the server while it was idle, with the last words: an
	// ErrorResponse, or nothing. It must not wait. nil: nobody wants to know.
	Bereaved func(tenant uint64, node string, words []byte)
	// Dial and Cancel are replaced in tests only; nil means Dial and SendCancel.
	Dial   func(ctx context.Context, cfg DialConfig) (*Conn, error)
	Cancel func(ctx context.Context, c *Conn) (sent bool, err error)
}

// New returns empty pools. Call Run for what time has to do, and Close at the end.
func New(cfg Config, deps Deps) *Pools {
	if deps.Dial == nil {
		deps.Dial = Dial
	}
	if deps.Cancel == nil {
		deps.Cancel = SendCancel
	}
	ps := &Pools{
		deps: deps, log: deps.Log.Named("backend"), metrics: deps.Metrics,
		epoch: time.Now().Add(-time.Second), drained: make(chan struct{}, 1),
	}
	ps.cfg.Store(&cfg)
	ps.mu.pools = map[Key]*Pool{}
	return ps
}

// Pool returns the pool of key; it is made if need be.
func (ps *Pools) Pool(key Key) *Pool {
	ps.mu.RLock()
	p := ps.mu.pools[key]
	ps.mu.RUnlock()
	if p != nil {
		return p
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.mu.pools[key]; p != nil {
		return p
	}
	p = &Pool{key: key, owner: ps}
	p.mu.closed = ps.closing.Load()
	ps.mu.pools[key] = p
	return p
}

// Acquire is [Pool.Acquire] of key's pool.
func (ps *Pools) Acquire(ctx context.Context, key Key, cred *auth.Credentials, want *Settings) (*Conn, error) {
	return ps.Pool(key).Acquire(ctx, cred, want)
}

// Reload puts another configuration in force. Connections above a lower max_connections are closed as they come back;
// what is dialled from now on has the new max_prepared_statements.
func (ps *Pools) Reload(cfg Config) {
	ps.cfg.Store(&cfg)
	for _, p := range ps.all() {
		p.mu.Lock()
		p.grantPlacesLocked()
		p.mu.Unlock()
	}
}

// Suspect has all connections to the node that are idle now looked at before they are lent: call it when a
// connection turned out to be dead.
func (ps *Pools) Suspect(node string) {
	for _, p := range ps.all() {
		if p.key.Node == node {
			p.suspect()
		}
	}
}

// Close closes what is idle, turns away who waits or comes, and returns when the last lease has ended, or ctx.
func (ps *Pools) Close(ctx context.Context) error {
	ps.closing.Store(true)
	// A pool made before closing was seen is in the map by now: making takes the lock that all takes.
	for _, p := range ps.all() {
		p.shut()
	}
	for ps.open() > 0 {
		select {
		case <-ps.drained:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (p *Pool) shut() {
	p.mu.Lock()
	p.mu.closed = true
	for w := p.mu.waiting.pop(); w != nil; w = p.mu.waiting.pop() {
		w.granted <- grant{err: ErrClosed}
	}
	conns := p.takeAllIdleLocked()
	p.mu.Unlock()
	for _, c := range conns {
		p.closeFor(c, ReasonShutdown)
	}
}

func (p *Pool) takeAllIdleLocked() []*Conn {
	conns := slices.Clone(p.mu.idle)
	clear(p.mu.idle)
	p.mu.idle = p.mu.idle[:0]
	for _, c := range conns {
		p.forgetLocked(c)
	}
	return conns
}

func (ps *Pools) open() int {
	n := 0
	for _, p := range ps.all() {
		p.mu.Lock()
		n += p.mu.size
		p.mu.Unlock()
	}
	return n
}

// noteDrained is called after every change that may have made open zero.
func (ps *Pools) noteDrained() {
	if !ps.closing.Load() {
		return
	}
	select {
	case ps.drained <- struct{}{}:
	default: // it is noted already
	}
}

func (ps *Pools) all() []*Pool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	pools := make([]*Pool, 0, len(ps.mu.pools))
	for _, p := range ps.mu.pools {
		pools = append(pools, p)
	}
	return pools
}

func (ps *Pools) config() *Config { return ps.cfg.Load() }

// now is monotonic and above zero.
func (ps *Pools) now() time.Duration { return time.Since(ps.epoch) }

func (ps *Pools) dial(ctx context.Context, key Key, cred *auth.Credentials) (*Conn, error) {
	cfg := ps.config()
	start := time.Now()
	c, err := ps.deps.Dial(ctx, DialConfig{
		Addr: key.Node, Database: key.Database, User: key.User, Credentials: cred, TLS: ps.deps.TLS,
		ConnectTimeout: cfg.ConnectTimeout, MaxPreparedStatements: cfg.MaxPreparedStatements,
	})
	ps.metrics.dialled(err, time.Since(start))
	if err != nil && ctx.Err() == nil {
		ps.log.Warn("no server connection", zap.String("node", key.Node), zap.String("database", key.Database),
			zap.String("user", key.User), zap.Error(err))
	}
	return c, err
}
