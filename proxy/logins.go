package proxy

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/router"
)

// logins knows since when a login as a role or to a database may come out otherwise than before: DDL about them that passed
// here has a number, and a session that of its own login.
type logins struct {
	latest atomic.Uint64
	mu     struct {
		sync.Mutex
		roles, databases map[string]uint64
		all              uint64 // of DDL about any role, or which is not remembered by name any more
		vacating         map[string]int
	}
}

// loginsLimit bounds how many roles and databases are remembered by name.
const loginsLimit = 10000

// changed takes note of DDL that is in force.
func (l *logins) changed(r *parser.Relogin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.latest.Load() + 1
	defer l.latest.Store(n)
	if !r.Settings {
		return
	}
	if l.mu.roles == nil || len(l.mu.roles)+len(l.mu.databases) > loginsLimit {
		l.mu.roles, l.mu.databases = map[string]uint64{}, map[string]uint64{}
		l.mu.all = n - 1
	}
	for _, name := range r.Roles {
		l.mu.roles[name] = n
	}
	for _, name := range r.Databases {
		l.mu.databases[name] = n
	}
	if r.AnyRole {
		l.mu.all = n
	}
}

func (l *logins) lastOf(database, user string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.mu.all, l.mu.roles[user], l.mu.databases[database])
}

// outdated reports whether somebody who logs in now as the session did may find other settings than it did. It shares no
// results with them, and is best served by the connection that it is at home on, which has the settings of its own login.
func (s *Session) outdated() bool {
	latest := s.p.logins.latest.Load()
	if s.old || s.loggedIn == latest {
		return s.old
	}
	if s.p.logins.lastOf(s.database, s.user) > s.loggedIn {
		s.old = true
		return true
	}
	s.loggedIn = latest
	return false
}

// override is what the session's settings ask of the router.
func (s *Session) override() router.Override {
	o := s.derived.override
	if s.outdated() && s.p.cluster.Snapshot().PrimaryIndex >= 0 {
		o.Route = "primary"
	}
	return o
}

// relogin makes DDL about roles and databases felt by everybody who connects from now on.
func (p *Proxy) relogin(r *parser.Relogin) {
	// In this order: who sees the number of the change finds no connection from before it.
	p.pools.Renew(func(k backend.Key) bool {
		return r.AnyRole || slices.Contains(r.Roles, k.User) || slices.Contains(r.Databases, k.Database)
	})
	p.logins.changed(r)
	if r.AnyRole || len(r.Roles) > 0 {
		p.auth.Forget()
	}
	for _, database := range r.Databases {
		p.catalog.Invalidate(database)
	}
}

// reloginTables is what relogin means for cached results, here and in other instances: nothing that was known of a database
// by that name holds for its successor.
func reloginTables(r *parser.Relogin) []cachepolicy.Table {
	var tables []cachepolicy.Table
	for _, database := range r.Databases {
		tables = append(tables, cachepolicy.Table{Database: database}, cachepolicy.Table{Database: database, Rel: cachepolicy.SchemaRel})
	}
	return tables
}

// vacate closes the idle server connections to databases that a statement of the request needs to itself, which on direct
// connections would not exist. Until done is called, those that become idle are closed as well (see watch). Connections
// that live sessions are at home on stay: PostgreSQL shall refuse the statement because of them.
func (s *Session) vacate(ctx context.Context) (done func()) {
	var databases []string
	for _, f := range s.req.facts {
		for i := range f.Statements {
			if r := f.Statements[i].Relogin; r != nil {
				databases = append(databases, r.Vacates...)
			}
		}
	}
	if len(databases) == 0 {
		return nil
	}
	s.p.logins.vacating(databases, 1)
	for _, database := range databases {
		s.p.pools.DropDatabase(ctx, database)
	}
	return func() { s.p.logins.vacating(databases, -1) }
}

func (l *logins) vacating(databases []string, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.vacating == nil {
		l.mu.vacating = map[string]int{}
	}
	for _, database := range databases {
		if l.mu.vacating[database] += by; l.mu.vacating[database] == 0 {
			delete(l.mu.vacating, database)
		}
	}
}

// keepVacant is called at every tick.
func (p *Proxy) keepVacant() {
	p.logins.mu.Lock()
	databases := make([]string, 0, len(p.logins.mu.vacating))
	for database := range p.logins.mu.vacating {
		databases = append(databases, database)
	}
	p.logins.mu.Unlock()
	for _, database := range databases {
		p.pools.Vacate(database)
	}
}
