package auth

import (
	"sync"
	"time"
)

// maxSecrets bounds the cache; at the bound it is emptied rather than searched.
const maxSecrets = 10_000

type secretCache struct {
	ttl time.Duration
	mu  struct {
		sync.Mutex
		secrets map[string]cachedSecret
		// generation counts forgetAlls: an answer asked for before one is not kept.
		generation uint64
	}
}

type cachedSecret struct {
	secret Secret
	until  time.Time
}

func newSecretCache(ttl time.Duration) *secretCache {
	c := &secretCache{ttl: ttl}
	c.mu.secrets = make(map[string]cachedSecret)
	return c
}

func (c *secretCache) get(user string) (Secret, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.mu.secrets[user]
	if ok && time.Now().After(e.until) {
		delete(c.mu.secrets, user)
		ok = false
	}
	return e.secret, ok
}

// begin marks the time of a question, for put.
func (c *secretCache) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.generation
}

// put keeps what was found; that a role does not exist is not kept, it may be created
// the next moment.
func (c *secretCache) put(user string, s Secret, begun uint64) {
	if c.ttl <= 0 || !s.Found {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if begun != c.mu.generation {
		return
	}
	if len(c.mu.secrets) >= maxSecrets {
		clear(c.mu.secrets)
	}
	c.mu.secrets[user] = cachedSecret{s, time.Now().Add(c.ttl)}
}

func (c *secretCache) forget(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.secrets, user)
	c.mu.generation++
}

func (c *secretCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.mu.secrets)
	c.mu.generation++
}
