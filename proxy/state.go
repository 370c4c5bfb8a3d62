package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// effects is what the statements since the last settling may have done to the state of the session on its server
// connection. Anything but zero means: ask the server before the connection is returned.
type effects uint16

const (
	effSettings  effects = 1 << iota // SET and RESET of settings whose names are in Session.touched
	effReset                         // RESET ALL, DISCARD ALL; it may have failed or been rolled back
	effSuspect                       // something that cannot be seen through
	effUnseen                        // it may have set what the server does not list (custom settings)
	effPlans                         // DEALLOCATE ALL, DISCARD ALL were carried out: our statements on this connection are gone
	effDiscarded                     // DISCARD ALL was carried out
)

// pinReason says why a session keeps its server connection between transactions. It is a metric label.
type pinReason uint8

const (
	notPinned pinReason = iota
	pinTemporary
	pinAdvisoryLock
	pinCursor
	pinListen
	pinPrepare
	pinStatement // a prepared statement too large to be kept
	pinUnseen    // state that the server does not list
	pinSeed
	pinLibrary
	pinSequence
	pinReasons
)

var pinNames = [pinReasons]string{
	"none", "temporary_table", "advisory_lock", "with_hold_cursor", "listen", "sql_prepare", "large_statement",
	"unseen_state", "setseed", "load",
	"sequence",
}

func (r pinReason) String() string { return pinNames[r] }

// sticky pins have no question that PostgreSQL could answer; they end with DISCARD ALL or the session.
func (r pinReason) sticky() bool {
	return r == pinStatement || r == pinUnseen || r == pinSeed || r == pinLibrary || r == pinSequence
}

func (s *Session) setPin(r pinReason) {
	if s.pin == r {
		return
	}
	s.p.metrics.pinned(s.pin, -1)
	s.p.metrics.pinned(r, 1)
	s.pin = r
}

// probe asks the server for all state of a session that cannot be carried over or that we may not have seen. Every name is
// qualified, so that a session's search_path cannot change what it asks.
const probe = `SELECT CASE WHEN pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN false ELSE ` +
	`EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) OR ` +
	`EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) OR ` +
	`EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) END, ` +
	`EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()), ` +
	`EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable), ` +
	`EXISTS (SELECT FROM pg_catalog.pg_listening_channels()), ` +
	`EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql), ` +
	`(SELECT pg_catalog.json_object_agg(name, setting) FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session')`

// settle asks the server what the session's statements left behind, once they are over: settings become the session's own,
// the rest pins.
func (s *Session) settle(ctx context.Context) error {
	c, eff := s.conn, s.effects
	s.effects = 0
	if eff&effPlans != 0 {
		c.Prepared.Clear()
		c.Strays, c.Unnamed = nil, 0
		s.names.clear()
	}
	if eff&effReset != 0 {
		// The server lists what is left of the others; custom settings are asked for by name.
		s.touched = slices.DeleteFunc(s.touched, func(name string) bool { return !strings.Contains(name, ".") })
	}
	if eff&effDiscarded != 0 && s.pin.sticky() {
		c.Tainted = c.Tainted || s.pin == pinSeed || s.pin == pinLibrary // which it does not take back
		s.setPin(notPinned)
	}
	if eff&effSuspect != 0 {
		return s.askAll(eff)
	}
	if len(s.touched) > 0 {
		return s.askTouched()
	}
	return nil
}

// askTouched reads back the settings that the session named: canonical values, and whatever a rollback took back.
func (s *Session) askTouched() error {
	values, err := s.ask(touchedQuery(s.touched))
	if err != nil || len(values) != len(s.touched) {
		return s.unaccounted(err)
	}
	s.adoptTouched(values)
	return nil
}

func touchedQuery(names []string) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	appendCurrent(&b, names)
	return b.String()
}

func appendCurrent(b *strings.Builder, names []string) {
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("pg_catalog.current_setting(E'")
		b.WriteString(strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(n))
		b.WriteString("', true)")
	}
}

func (s *Session) adoptTouched(values [][]byte) {
	applied, mine := s.conn.Applied, s.settings
	for i, name := range s.touched {
		if i >= len(values) || values[i] == nil || slices.Contains(s.resets, name) || s.isDefault(name, string(values[i])) {
			applied, mine = applied.Without(name), mine.Without(name)
			if v, ok := s.base.Get(name); ok {
				mine = mine.With(name, v)
			}
			continue
		}
		applied, mine = applied.With(name, string(values[i])), mine.With(name, string(values[i]))
	}
	s.touched, s.resets = s.touched[:0], s.resets[:0]
	s.conn.Applied = applied
	s.setSettings(mine)
}

// isDefault recognises roles that are the login role, for which PostgreSQL has values of their own.
func (s *Session) isDefault(name, value string) bool {
	switch name {
	case "role":
		return value == "none"
	case "session_authorization":
		return value == s.user
	}
	return false
}

// askAll asks for everything. The custom settings that the session is known to have are asked for by name: PostgreSQL does
// not list them.
func (s *Session) askAll(eff effects) error {
	overlay := s.overlaid()
	names := append([]string{"role", "session_authorization"}, s.touched...)
	custom := func(name, _ string) {
		if strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	s.settings.Each(custom)
	s.conn.Applied.Each(custom)
	slices.Sort(names)
	names = slices.Compact(names)
	var b strings.Builder
	b.WriteString(probe)
	b.WriteString(", ")
	appendCurrent(&b, names)
	values, err := s.ask(b.String())
	if err != nil || len(values) != 6+len(names) {
		return s.unaccounted(err)
	}
	listed := map[string]string{}
	if len(values[5]) > 0 {
		if err := json.Unmarshal(values[5], &listed); err != nil {
			return s.unaccounted(err)
		}
	}
	applied := backend.Empty
	for name, v := range listed {
		applied = applied.With(name, v)
	}
	s.conn.Applied = applied
	s.setSettings(s.keepBase(applied, names))
	s.touched = append(s.touched[:0], names...)
	s.adoptTouched(values[6:])
	s.setSettings(s.withoutOverlay(overlay, eff))
	s.pinFor(values, eff)
	return nil
}

// overlaid names the settings that are on the server connection for the sake of the request's class alone. One that the
// statement's text sets is the session's; one that a function set as well is not: nobody can tell whose value it is.
func (s *Session) overlaid() (names []string) {
	s.want.Each(func(name, _ string) {
		if _, own := s.settings.Get(name); !own && !slices.Contains(s.touched, name) {
			names = append(names, name)
		}
	})
	return names
}

// withoutOverlay is the session's settings without those of the class, and after a RESET ALL without the empty values that
// are left of custom settings.
func (s *Session) withoutOverlay(overlay []string, eff effects) *backend.Settings {
	mine := s.settings
	for _, name := range overlay {
		mine = mine.Without(name)
	}
	if eff&effReset != 0 {
		s.settings.Each(func(name, value string) {
			if value == "" && strings.Contains(name, ".") {
				mine = mine.Without(name)
			}
		})
		mine = s.keepBase(mine, nil)
	}
	return mine
}

// keepBase adds what the start-up packet asked for and the server, after a RESET, does not have any more.
func (s *Session) keepBase(set *backend.Settings, asked []string) *backend.Settings {
	s.base.Each(func(name, value string) {
		if _, ok := set.Get(name); !ok && !slices.Contains(asked, name) {
			set = set.With(name, value)
		}
	})
	return set
}

func (s *Session) pinFor(values [][]byte, eff effects) {
	for i, r := range []pinReason{pinTemporary, pinAdvisoryLock, pinCursor, pinListen, pinPrepare} {
		if len(values[i]) == 1 && values[i][0] == 't' {
			s.setPin(r)
			return
		}
	}
	switch {
	case eff&effUnseen != 0:
		s.setPin(pinUnseen)
	case !s.pin.sticky():
		s.setPin(notPinned)
	}
}

// unaccounted keeps the connection for this session because nobody knows what is on it.
func (s *Session) unaccounted(err error) error {
	var f *failure
	if errors.As(err, &f) || errors.Is(err, errGone) {
		return err
	}
	s.conn.Tainted = true
	s.touched, s.resets = s.touched[:0], s.resets[:0]
	s.setPin(pinUnseen)
	return nil
}

// errAsk is an error of the server's to a question of ours.
var errAsk = errors.New("the server refused a question about the session")

// ask runs a question of one row on the leased connection. What the server says meanwhile to the client goes there.
func (s *Session) ask(query string) ([][]byte, error) {
	s.conn.Unnamed = 0
	s.out = pgwire.AppendQuery(s.out[:0], query)
	s.led.sent(owed{kind: owedQuery, action: swallow})
	if err := s.conn.Wire.Write(s.out); err != nil {
		return nil, s.lost(err)
	}
	a := &answer{}
	s.asked = a
	err := s.relay()
	s.asked = nil
	if err != nil {
		return nil, err
	}
	if a.code != "" {
		return nil, fmt.Errorf("%w: %s", errAsk, a.code)
	}
	return a.values, nil
}

// answer collects the row of a question of ours.
type answer struct {
	values [][]byte
	code   string
}

// row copies the columns of a DataRow; NULL is nil.
func (a *answer) row(body []byte) {
	a.values = a.values[:0]
	pgwire.EachColumn(body, func(v []byte) {
		if v != nil {
			v = append([]byte{}, v...)
		}
		a.values = append(a.values, v)
	})
}
