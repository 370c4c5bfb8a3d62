package store

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// maxFailures is the number of failures in a row after which Redis is left alone until the keeper finds it well.
const maxFailures = 3

// remote is the Redis tier. It is down from the start, after failures in a row, and at once when an invalidation could
// not be delivered: then older entries are not trusted until the version of everything was dropped.
type remote struct {
	cfg      RedisConfig
	names    names
	client   *redis.Client
	log      *zap.Logger
	metrics  *Metrics
	instance string // tells our own messages from those of others
	maxBody  int64

	up       atomic.Bool // written under mu
	failures atomic.Int32
	down     chan struct{} // one slot: wakes the keeper
	mu       struct {
		sync.Mutex
		missed  uint64 // invalidations that did not reach Redis
		renewed uint64 // the value of missed that the version of everything accounts for
	}
}

func newRemote(cfg Config, deps Deps) *remote {
	n := newNames(cfg.Redis.Namespace)
	return &remote{
		cfg:      cfg.Redis,
		names:    n,
		client:   newClient(cfg.Redis, n),
		log:      deps.Log,
		metrics:  deps.Metrics,
		instance: rand.Text(),
		maxBody:  maxBody(int64(cfg.MaxResultSize)),
		down:     make(chan struct{}, 1),
	}
}

// get reads an entry and the versions of all that it depends on in one round trip.
func (r *remote) get(ctx context.Context, key cachepolicy.Key, tables []cachepolicy.Table, now time.Time) (*record, Status) {
	if !r.up.Load() {
		return nil, Unavailable
	}
	deps := dependencies(tables)
	keys := r.names.tokens(append(make([]string, 0, len(deps)+1), r.names.entry(key)), deps)
	values, err := r.mget(ctx, opGet, keys)
	if err != nil {
		return nil, Unavailable
	}
	if values[0] == nil {
		return nil, Miss
	}
	data, _ := values[0].(string)
	rec, err := decode([]byte(data), key, r.maxBody)
	if err != nil {
		r.metrics.rubbish.Inc()
		r.log.Warn("entry in redis deleted", zap.Error(err))
		r.delete(ctx, keys[0])
		return nil, Rubbish
	}
	switch {
	case !slices.Equal(rec.tables, tables) || !equalTokens(rec.tokens, values[1:]):
		return nil, Void
	case rec.expired(now):
		return nil, Expired
	}
	rec.tokens = nil
	return rec, HitRedis
}

func (r *remote) mget(ctx context.Context, op operation, keys []string) ([]any, error) {
	ask, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	values, err := r.client.MGet(ask, keys...).Result()
	r.note(ctx, op, err)
	return values, err
}

func (r *remote) delete(ctx context.Context, key string) {
	ask, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	r.note(ctx, opDelete, r.client.Unlink(ask, key).Err())
}

// fence returns the present versions of all that tables stand for, making those that are missing; nil when it cannot.
func (r *remote) fence(ctx context.Context, tables []cachepolicy.Table) []token {
	if !r.up.Load() {
		return nil
	}
	keys := r.names.tokens(nil, dependencies(tables))
	values, err := r.mget(ctx, opFence, keys)
	if err != nil {
		return nil
	}
	if tokens := parseTokens(values); tokens != nil {
		return tokens
	}
	return r.makeTokens(ctx, keys, values)
}

// makeTokens fills the gaps and reads again: another instance may have filled one first, and its version counts.
func (r *remote) makeTokens(ctx context.Context, keys []string, values []any) []token {
	ask, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	var again *redis.SliceCmd
	_, err := r.client.Pipelined(ask, func(p redis.Pipeliner) error {
		for i, v := range values {
			if v == nil {
				p.SetNX(ask, keys[i], newToken(), tokenTTL)
			} else if _, ok := parseToken(v); !ok {
				p.Set(ask, keys[i], newToken(), tokenTTL)
			}
		}
		again = p.MGet(ask, keys...)
		return nil
	})
	r.note(ctx, opFence, err)
	if err != nil {
		return nil
	}
	values = again.Val()
	if tokens := parseTokens(values); tokens != nil {
		return tokens
	}
	r.dropRubbish(ctx, keys, values)
	return nil
}

// dropRubbish deletes what stands in the place of a version and is none: MGET and SETNX are blind to values of another
// type. The next fence makes a version.
func (r *remote) dropRubbish(ctx context.Context, keys []string, values []any) {
	for i, v := range values {
		if _, ok := parseToken(v); !ok {
			r.metrics.rubbish.Inc()
			r.delete(ctx, keys[i])
		}
	}
}

func parseTokens(values []any) []token {
	tokens := make([]token, len(values))
	for i, v := range values {
		t, ok := parseToken(v)
		if !ok {
			return nil
		}
		tokens[i] = t
	}
	return tokens
}

func equalTokens(tokens []token, values []any) bool {
	if len(tokens) != len(values) {
		return false
	}
	for i, v := range values {
		if t, ok := parseToken(v); !ok || t != tokens[i] {
			return false
		}
	}
	return true
}

// put reports whether the record is in Redis.
func (r *remote) put(ctx context.Context, key cachepolicy.Key, rec *record, ttl time.Duration) bool {
	if !r.up.Load() {
		return false
	}
	data := encode(key, rec, r.maxBody)
	if data == nil {
		return false
	}
	ask, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	err := r.client.Set(ask, r.names.entry(key), data, max(ttl, time.Millisecond)).Err()
	r.note(ctx, opPut, err)
	return err == nil
}

// invalidate drops the versions of tables and tells the other instances. It returns within invalidate_timeout; what it
// could not deliver is made up for by the keeper. It is carried out even if the writer's client has gone.
func (r *remote) invalidate(ctx context.Context, tables []cachepolicy.Table) {
	if !r.deliverable() {
		return
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.InvalidateTimeout)
	defer cancel()
	if err := r.dropTokens(ask, tables); err != nil {
		r.metrics.redisError(opInvalidate)
		r.log.Warn("invalidation not delivered, redis is not trusted until it can be made up for", zap.Error(err))
		r.lose(1)
	}
}

// deliverable counts the invalidation as missed if Redis is down. The lock makes sure that either the keeper sees it
// before it declares Redis up, or the caller sees Redis up.
func (r *remote) deliverable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.up.Load() {
		r.mu.missed++
		return false
	}
	return true
}

func (r *remote) dropTokens(ctx context.Context, tables []cachepolicy.Table) error {
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Unlink(ctx, r.names.tokens(nil, tables)...)
		p.Publish(ctx, r.names.channel(), appendMessage(nil, r.instance, tables))
		return nil
	})
	return err
}

// note counts how Redis fares. An operation that its own caller gave up says nothing about Redis.
func (r *remote) note(caller context.Context, op operation, err error) {
	switch {
	case err == nil:
		if r.failures.Load() != 0 {
			r.failures.Store(0)
		}
	case caller.Err() != nil:
	default:
		r.metrics.redisError(op)
		if r.failures.Add(1) >= maxFailures && r.up.Load() {
			r.log.Warn("redis is not used for a while", zap.String("operation", string(op)), zap.Error(err))
			r.lose(0)
		}
	}
}

// lose takes Redis out of use and counts invalidations that it missed.
func (r *remote) lose(missed uint64) {
	r.mu.Lock()
	r.mu.missed += missed
	r.up.Store(false)
	r.mu.Unlock()
	select {
	case r.down <- struct{}{}:
	default:
	}
}
