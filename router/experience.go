package router

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	experienceShards = 32
	// meanWeight is the share of a new measurement in the mean: about the last ten calls count.
	meanWeight = 5
	// evictionSample bounds the work of making room.
	evictionSample = 8
)

// Experience is what was measured of one fingerprint.
type Experience struct {
	Mean  time.Duration
	Calls int
	Slow  bool // treated as olap
}

// experience remembers the mean time per fingerprint. Only what was slow at least once gets in, so that the flood of fast
// statements costs one look-up each and no room.
type experience struct {
	slow, fast, calls atomic.Int64
	capacity          int // per shard
	shards            [experienceShards]experienceShard
}

type experienceShard struct {
	mu struct {
		sync.RWMutex
		entries map[uint64]*Experience
	}
	_ [64]byte // shards do not share a cache line
}

func newExperience(cfg ExperienceConfig) *experience {
	e := &experience{capacity: (cfg.Entries + experienceShards - 1) / experienceShards}
	e.tune(cfg)
	for i := range e.shards {
		e.shards[i].mu.entries = map[uint64]*Experience{}
	}
	return e
}

func (e *experience) tune(cfg ExperienceConfig) {
	e.slow.Store(int64(cfg.Slow))
	e.fast.Store(int64(cfg.Fast))
	e.calls.Store(int64(cfg.Calls))
}

func (e *experience) shard(fingerprint uint64) *experienceShard {
	return &e.shards[(fingerprint^fingerprint>>32)%experienceShards]
}

func (e *experience) get(fingerprint uint64) (Experience, bool) {
	s := e.shard(fingerprint)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if x := s.mu.entries[fingerprint]; x != nil {
		return *x, true
	}
	return Experience{}, false
}

func (e *experience) observe(fingerprint uint64, elapsed time.Duration) {
	s := e.shard(fingerprint)
	if int64(elapsed) <= e.slow.Load() && !s.has(fingerprint) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.mu.entries[fingerprint]
	if x == nil {
		if e.capacity == 0 {
			return
		}
		if len(s.mu.entries) >= e.capacity {
			s.evictLocked()
		}
		x = &Experience{Mean: elapsed}
		s.mu.entries[fingerprint] = x
	}
	x.Mean += (elapsed - x.Mean) / meanWeight
	x.Calls++
	e.judge(x)
}

// judge applies the two thresholds: between them an entry stays what it was.
func (e *experience) judge(x *Experience) {
	switch {
	case int64(x.Calls) < e.calls.Load():
	case int64(x.Mean) > e.slow.Load():
		x.Slow = true
	case int64(x.Mean) < e.fast.Load():
		x.Slow = false
	}
}

func (s *experienceShard) has(fingerprint uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.entries[fingerprint] != nil
}

// evictLocked forgets the least telling of a few entries: not slow before slow, then fewest calls. Go's map order is
// random enough for a sample.
func (s *experienceShard) evictLocked() {
	var victim uint64
	var worst *Experience
	seen := 0
	for fingerprint, x := range s.mu.entries {
		if worst == nil || (worst.Slow && !x.Slow) || (worst.Slow == x.Slow && x.Calls < worst.Calls) {
			victim, worst = fingerprint, x
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	delete(s.mu.entries, victim)
}
