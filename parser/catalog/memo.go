package catalog

import (
	"sync"

	"github.com/aioproxy/aioproxy/parser"
)

const (
	memoShards = 16
	// memoHalf bounds one half of one shard: a snapshot remembers at most 2*16*512 resolutions.
	memoHalf = 512
)

type memoKey struct {
	facts      *parser.Facts
	searchPath string
	user       string // empty where the path does not depend on it
}

// memo remembers resolutions. Each shard has two halves: when the young one is full it becomes the old one, and what was
// in the old one and not asked for since is forgotten.
type memo struct {
	shards [memoShards]memoShard
}

type memoShard struct {
	mu struct {
		sync.RWMutex
		young map[memoKey]*Resolution
		old   map[memoKey]*Resolution
	}
}

func (m *memo) shard(k memoKey) *memoShard {
	return &m.shards[(k.facts.Fingerprint>>7)%memoShards]
}

func (m *memo) get(k memoKey) *Resolution {
	s := m.shard(k)
	s.mu.RLock()
	r, young := s.mu.young[k]
	if !young {
		r = s.mu.old[k]
	}
	s.mu.RUnlock()
	if r != nil && !young {
		s.put(k, r)
	}
	return r
}

func (s *memoShard) put(k memoKey, r *Resolution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.young == nil || len(s.mu.young) >= memoHalf {
		s.mu.old, s.mu.young = s.mu.young, make(map[memoKey]*Resolution)
	}
	s.mu.young[k] = r
}
