package store

import (
	"context"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"go.uber.org/zap"
)

// How long Redis is left alone after it was lost: longer each time that it does not stay well for steady.
const (
	firstPause = 100 * time.Millisecond
	longPause  = time.Second
	steady     = 5 * time.Second
)

// keep brings Redis back into use after it was lost, so that no query pays for finding out. It returns when ctx ends.
func (r *remote) keep(ctx context.Context) {
	pause := firstPause
	var since time.Time
	for ctx.Err() == nil {
		if r.up.Load() {
			since = time.Now()
			select {
			case <-ctx.Done():
				return
			case <-r.down:
			}
			if time.Since(since) > steady {
				pause = firstPause
			}
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, longPause)
		if err := r.recover(ctx); err != nil {
			r.log.Debug("redis still cannot be used", zap.Error(err))
			continue
		}
		if r.up.Load() {
			r.log.Info("redis is used")
		}
	}
}

// recover checks that Redis answers as fast as a lookup needs, makes up for missed invalidations, and puts it into use
// unless another one was missed meanwhile.
func (r *remote) recover(ctx context.Context) error {
	if err := r.probe(ctx); err != nil {
		r.metrics.redisError(opProbe)
		return err
	}
	r.mu.Lock()
	missed, renewed := r.mu.missed, r.mu.renewed
	r.mu.Unlock()
	if missed != renewed {
		ask, cancel := context.WithTimeout(ctx, r.cfg.InvalidateTimeout)
		defer cancel()
		if err := r.dropTokens(ask, []cachepolicy.Table{cachepolicy.Everything, {Rel: cachepolicy.SchemaRel}}); err != nil {
			r.metrics.redisError(opInvalidate)
			return err
		}
		r.metrics.invalidation(originLost)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.renewed = missed
	if r.mu.missed == missed {
		r.failures.Store(0)
		r.up.Store(true)
	}
	return nil
}

// probe asks twice: the first time may include connecting, the second must be as fast as a lookup.
func (r *remote) probe(ctx context.Context) error {
	for _, limit := range []time.Duration{r.cfg.InvalidateTimeout + r.cfg.Timeout, r.cfg.Timeout} {
		ask, cancel := context.WithTimeout(ctx, limit)
		err := r.client.Ping(ask).Err()
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// sleep reports whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
