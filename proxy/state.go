package proxy

import (
	"context"
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
	effDiscarded                     // DISCARD ALL was carried out
	effSequences                     // DISCARD SEQUENCES was carried out
	effRefused                       // a statement failed: what it named may be nothing that a session can set, or not be there
)

// probe asks the server for all state of a session that cannot be carried over or that we may not have seen. Every name is
// qualified, so that a session's search_path cannot change what it asks.
const probe = `SELECT CASE WHEN pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN false ELSE ` +
	`EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) OR ` +
	`EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) OR ` +
	`EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) END, ` +
	`EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()), ` +
	`EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable), ` +
	`EXISTS (SELECT FROM pg_catalog.pg_listening_channels()), ` +
	`EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)`

// What goes with it. Rows, not an aggregate: in some client encodings no text form of an aggregate could be taken apart.
const (
	listSettings = `; SELECT name, setting FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session' ` +
		`AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'])`
	listStatements = `; SELECT name, from_sql FROM pg_catalog.pg_prepared_statements`
)

// settle asks the server what the session's statements left behind, once they are over: settings become the session's own,
// the rest pins.
func (s *Session) settle(ctx context.Context) error {
	c, eff := s.conn, s.effects
	s.effects = 0
	if len(s.unjudged) > 0 {
		eff |= s.resolveDoubts(ctx, eff&effRefused != 0)
	}
	if eff&effRefused != 0 && eff&effSettings != 0 {
		eff |= effSuspect
	}
	if eff&(effReset|effRefused) != 0 {
		// The server lists what is left of the others; custom settings are asked for by name.
		s.touched = slices.DeleteFunc(s.touched, func(name string) bool { return !strings.Contains(name, ".") })
	}
	if eff&effDiscarded != 0 && len(s.req.facts) == 1 { // else what came behind it may have made a new one
		c.Tainted = c.Tainted || s.pins.has(pinSeed) || s.pins.has(pinLibrary) // which it does not take back
		s.unpin(stickyPins)
	}
	if eff&effSequences != 0 && len(s.req.facts) == 1 {
		s.unpin(1 << pinSequence)
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
		gone := i >= len(values) || values[i] == nil || slices.Contains(s.resets, name) && !s.leftEmpty(name, values[i])
		if gone || s.isDefault(name, string(values[i])) {
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

// leftEmpty: a custom setting that was reset is there still, and empty: current_setting does not say NULL any more.
func (s *Session) leftEmpty(name string, value []byte) bool {
	if value == nil || len(value) > 0 || !strings.Contains(name, ".") {
		return false
	}
	_, asked := s.base.Get(name)
	return !asked
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
	b.WriteString(listSettings)
	if s.own.active {
		b.WriteString(listStatements)
	}
	tables, err := s.askTables(b.String())
	if err != nil || len(tables) < 2 || len(tables[0]) != 1 || len(tables[0][0]) != 5+len(names) {
		return s.unaccounted(err)
	}
	values := tables[0][0]
	applied := backend.Empty
	for _, row := range tables[1] {
		if len(row) == 2 {
			applied = applied.With(string(row[0]), string(row[1]))
		}
	}
	if len(tables) == 3 {
		s.adoptNames(tables[2])
	}
	s.conn.Applied = applied
	s.setSettings(s.keepBase(applied, names))
	s.touched = append(s.touched[:0], names...)
	s.adoptTouched(values[5:])
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

// withoutOverlay is the session's settings without those of the class, and after a RESET ALL with what the start-up packet
// asked for in place of the empty values that are left of custom settings.
func (s *Session) withoutOverlay(overlay []string, eff effects) *backend.Settings {
	mine := s.settings
	for _, name := range overlay {
		mine = mine.Without(name)
	}
	if eff&effReset != 0 {
		s.settings.Each(func(name, value string) {
			if _, asked := s.base.Get(name); asked && value == "" && strings.Contains(name, ".") {
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
			if r == pinTemporary {
				s.keepPrivate()
			}
		} else {
			s.unpin(1 << r)
		}
	}
	if eff&effUnseen != 0 {
		s.setPin(pinUnseen)
	}
}

// keepPrivate: the schema of temporary objects stays when they are gone, and current_schemas() shows it.
func (s *Session) keepPrivate() {
	if s.tenant.Home() == s.conn {
		s.conn.Private = true
	} else {
		s.conn.Tainted = true
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
	tables, err := s.askTables(query)
	if err != nil || len(tables) == 0 || len(tables[0]) == 0 {
		return nil, err
	}
	return tables[0][0], nil
}

// askTables runs questions and returns the rows of each.
func (s *Session) askTables(query string) ([]table, error) {
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
	return a.tables, nil
}

// table is the rows of one result, and in each its columns.
type table [][][]byte

// answer collects the rows of questions of ours.
type answer struct {
	tables []table
	code   string
}

// begin is for the RowDescription.
func (a *answer) begin() { a.tables = append(a.tables, nil) }

func (a *answer) row(body []byte) {
	if n := len(a.tables); n > 0 {
		a.tables[n-1] = append(a.tables[n-1], columnsOf(body))
	}
}

// columnsOf copies the columns of a DataRow; NULL is nil.
func columnsOf(body []byte) [][]byte {
	var values [][]byte
	pgwire.EachColumn(body, func(v []byte) {
		if v != nil {
			v = append([]byte{}, v...)
		}
		values = append(values, v)
	})
	return values
}
