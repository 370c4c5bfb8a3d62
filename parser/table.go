package parser

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// tableShards is a power of two: enough that readers on many cores seldom share a lock's cache line.
const tableShards = 32

// table maps texts to facts, bounded by entries and by bytes. It compares texts in full; a hash only picks the shard.
type table struct {
	seed   maphash.Seed
	shards [tableShards]tableShard
}

type tableShard struct {
	mu struct {
		sync.RWMutex
		entries map[string]*tableEntry
		ring    []*tableEntry // for the clock: every entry once, in no order that matters
		hand    int
		bytes   int
	}
	maxEntries int
	maxBytes   int
	_          [64]byte // keeps neighbours' locks off this cache line
}

type tableEntry struct {
	text  string
	facts *Facts
	size  int
	used  atomic.Bool // since the clock's hand last passed
}

func newTable(maxEntries, maxBytes int) *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.entries = make(map[string]*tableEntry)
		s.maxEntries = max(1, maxEntries/tableShards)
		s.maxBytes = maxBytes / tableShards
	}
	return t
}

func (t *table) hash(text []byte) uint64 { return maphash.Bytes(t.seed, text) }

func (t *table) get(hash uint64, text []byte) *Facts {
	s := &t.shards[hash%tableShards]
	s.mu.RLock()
	e := s.mu.entries[string(text)]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.facts
}

// put keeps facts under a text unless the text alone is more than its share of the memory. An entry that is there stays.
func (t *table) put(hash uint64, text string, f *Facts) {
	s := &t.shards[hash%tableShards]
	size := len(text) + factsSize(f) + entryOverhead
	if size > s.maxBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.entries[text] != nil {
		return
	}
	for len(s.mu.ring) > 0 && (len(s.mu.ring) >= s.maxEntries || s.mu.bytes+size > s.maxBytes) {
		s.evictLocked()
	}
	e := &tableEntry{text: text, facts: f, size: size}
	s.mu.entries[text] = e
	s.mu.ring = append(s.mu.ring, e)
	s.mu.bytes += size
}

// evictLocked removes the next entry that was not used since the hand last passed it.
func (s *tableShard) evictLocked() {
	for {
		if s.mu.hand >= len(s.mu.ring) {
			s.mu.hand = 0
		}
		e := s.mu.ring[s.mu.hand]
		if e.used.Swap(false) {
			s.mu.hand++
			continue
		}
		last := len(s.mu.ring) - 1
		s.mu.ring[s.mu.hand] = s.mu.ring[last]
		s.mu.ring[last] = nil
		s.mu.ring = s.mu.ring[:last]
		delete(s.mu.entries, e.text)
		s.mu.bytes -= e.size
		return
	}
}

func (t *table) stats() (entries, bytes int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		entries += len(s.mu.ring)
		bytes += s.mu.bytes
		s.mu.RUnlock()
	}
	return entries, bytes
}

// entryOverhead is what an entry costs beside its text and facts: the entry, its places in map and ring.
const entryOverhead = 160

// factsSize estimates the memory behind facts. Facts that several entries share are counted at each of them.
func factsSize(f *Facts) int {
	size := 160 + len(f.Normalized)
	for i := range f.Statements {
		size += statementSize(&f.Statements[i])
	}
	return size
}

func statementSize(s *Statement) int {
	size := 320 + len(s.Object)
	for _, names := range [][]Name{s.Reads, s.Writes, s.Functions} {
		for _, n := range names {
			size += 32 + len(n.Schema) + len(n.Name)
		}
	}
	for _, c := range s.Configs {
		size += 24 + len(c.Name)
	}
	if s.Setting != nil {
		size += 96 + len(s.Setting.Name)
		for _, v := range s.Setting.Values {
			size += 16 + len(v)
		}
	}
	if s.Relogin != nil {
		size += 128
	}
	if s.Inner != nil {
		size += statementSize(s.Inner)
	}
	return size
}
