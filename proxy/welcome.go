package proxy

import (
	"sync"
	"time"

	"github.com/aioproxy/aioproxy/proxy/backend"
)

// welcomeTTL is how long a login is taken for the next one of the same user, database and settings: PostgreSQL's say in who
// may connect (CONNECT privilege, connection limits, a dropped database) is at most that old.
const welcomeTTL = 2 * time.Second

// welcomeLimit bounds how many are remembered.
const welcomeLimit = 1000

type welcomeKey struct {
	database, user string
	base           *backend.Settings
}

// welcomed is what a server says at a login.
type welcomed struct {
	status   []byte // ParameterStatus messages
	defaults defaults
	at       time.Time
	loggedIn uint64 // see logins
}

// welcomes remembers the latest logins.
type welcomes struct {
	mu struct {
		sync.Mutex
		byKey map[welcomeKey]*welcomed
	}
}

func (w *welcomes) get(key welcomeKey, latest uint64) *welcomed {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.mu.byKey[key]
	if e == nil || e.loggedIn != latest || time.Since(e.at) > welcomeTTL {
		return nil
	}
	return e
}

func (w *welcomes) put(key welcomeKey, e *welcomed) {
	e.at = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.byKey == nil || len(w.mu.byKey) >= welcomeLimit {
		w.mu.byKey = make(map[welcomeKey]*welcomed)
	}
	w.mu.byKey[key] = e
}

// forget drops what is known about logins: DDL may have changed who may connect, and with which settings.
func (w *welcomes) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.byKey = nil
}
