package proxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/proxy/admin"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// consoleDatabase is the name under which clients reach the console; a database of that name is out of their reach.
const consoleDatabase = "aioproxy"

// rightsOn is what a user may do on the console.
func (c *Config) rightsOn(user string) admin.Rights {
	switch {
	case slices.Contains(c.AdminUsers, user):
		return admin.Everything
	case slices.Contains(c.StatsUsers, user):
		return admin.Stats
	}
	return admin.Nothing
}

// openConsole greets a client that proved who it is and asked for the console. No server is needed for that: an operator
// looks here when there is none.
func (s *Session) openConsole() ([]byte, error) {
	if s.p.config().rightsOn(s.user) == admin.Nothing {
		return nil, notOnConsole(s.user)
	}
	s.setDefaults(&defaults{})
	s.console = admin.NewConsole(s.p.commands, s.wire.Write)
	var welcome []byte
	for _, status := range [][2]string{
		{"application_name", s.derived.application},
		{"client_encoding", "UTF8"},
		{"DateStyle", "ISO, MDY"},
		{"default_transaction_read_only", "off"},
		{"in_hot_standby", "off"},
		{"integer_datetimes", "on"},
		{"IntervalStyle", "postgres"},
		{"is_superuser", "off"},
		{"server_encoding", "UTF8"},
		{"server_version", "15.0 (" + s.p.version + ")"}, // drivers want a number that they know
		{"session_authorization", s.user},
		{"standard_conforming_strings", "on"},
		{"TimeZone", "UTC"},
	} {
		welcome = pgwire.AppendParameterStatus(welcome, status[0], status[1])
	}
	return welcome, nil
}

func notOnConsole(user string) *failure {
	return &failure{
		code: codeNoPrivilege, message: fmt.Sprintf("permission denied for the console of aioproxy: user %q is not listed", user),
		hint: "Add the user to admin_users, or to stats_users for SHOW only, in the configuration of aioproxy, and reload it.",
	}
}

// consult answers a request on the console. The lists may have been changed by a reload since the last one.
func (s *Session) consult() error {
	q := &s.req
	if q.big {
		return &failure{code: "54000", message: "the message is too long for the console"}
	}
	for i := range q.frames {
		f := &q.frames[i]
		if f.typ == 'X' {
			return errTerminate
		}
		rights := s.p.config().rightsOn(s.user)
		if rights == admin.Nothing {
			return notOnConsole(s.user)
		}
		if err := s.console.Message(f.typ, q.body(f), rights); err != nil {
			return err
		}
	}
	return s.console.Flush()
}

// consoleSource is the proxy as the console sees it.
type consoleSource struct{ p *Proxy }

// Version implements [admin.Source].
func (c consoleSource) Version() string { return c.p.version }

// Pins implements [admin.Source]: by client, oldest first.
func (c consoleSource) Pins() []admin.Pin {
	var pins []admin.Pin
	c.p.sessions.each(func(s *Session) { pins = s.appendPins(pins) })
	slices.SortFunc(pins, func(a, b admin.Pin) int {
		if a.PID != b.PID {
			return int(a.PID) - int(b.PID)
		}
		if by := a.Since.Compare(b.Since); by != 0 {
			return by
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return pins
}

// appendPins tells why the session is pinned. It may be called from any goroutine.
func (s *Session) appendPins(to []admin.Pin) []admin.Pin {
	pid := s.p.sessions.pidOf(s) // takes a lock of its own
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mu.conn
	if t := s.tunnel.Load(); t != nil {
		c = t.server
	}
	if c == nil || pid == 0 {
		return to
	}
	application := ""
	if set := s.shown.Load(); set != nil {
		application, _ = set.Get("application_name")
	}
	for _, h := range s.mu.pins {
		to = append(to, admin.Pin{
			PID: pid, User: s.user, Database: s.database, Application: application, Address: s.wire.RemoteAddr().String(),
			Reason: h.reason.String(), Since: h.since, Node: c.Key().Node, ServerPID: c.PID, State: s.activityLocked().String(),
		})
	}
	return to
}

// activity is what a session does, in the words of pg_stat_activity.
type activity uint8

const (
	idle activity = iota
	active
	idleInTransaction
	idleAborted
)

var activityNames = [...]string{"idle", "active", "idle in transaction", "idle in transaction (aborted)"}

func (a activity) String() string { return activityNames[a] }

func (s *Session) activityLocked() activity {
	switch {
	case s.mu.busy, s.tunnel.Load() != nil:
		return active
	case s.mu.status == pgwire.TxActive:
		return idleInTransaction
	case s.mu.status == pgwire.TxFailed:
		return idleAborted
	}
	return idle
}

var _ admin.Source = consoleSource{}
