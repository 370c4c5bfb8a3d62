package router

import "sync"

// refusedLimit bounds how many fingerprints are remembered.
const refusedLimit = 10_000

// refusals remembers which reads a replica refused as writes: a function that is declared stable and is not, a view over
// one that came after the catalog was read.
type refusals struct {
	mu struct {
		sync.RWMutex
		fingerprints map[uint64]struct{}
	}
}

func (r *refusals) add(fingerprint uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.fingerprints == nil || len(r.mu.fingerprints) >= refusedLimit {
		r.mu.fingerprints = make(map[uint64]struct{})
	}
	r.mu.fingerprints[fingerprint] = struct{}{}
}

func (r *refusals) has(fingerprint uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.mu.fingerprints[fingerprint]
	return ok
}

// Refused records that a replica would not run a read with this fingerprint because it writes: from now on it goes to the
// primary.
func (r *Router) Refused(fingerprint uint64) {
	if fingerprint != 0 {
		r.refused.add(fingerprint)
	}
}
