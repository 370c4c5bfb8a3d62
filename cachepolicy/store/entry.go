package store

import (
	"slices"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
)

// Position is a place in the primary's log. It is zero when it is not known.
type Position struct {
	Timeline uint32
	LSN      uint64
}

// Entry is one complete result. Once it was handed to a Store or came from one it is shared and must not be changed.
type Entry struct {
	Position Position // what the result surely contains: all that was replayed when the query began on a replica
	Snapshot string   // the same for a result of the primary: pg_current_snapshot() of the query; empty when not asked
	Created  time.Time
	Cost     time.Duration // what the query took
	RowCount int64

	// Wire messages with their headers, as the server sent them. ParameterDescription is nil for a simple query.
	ParameterDescription []byte
	RowDescription       []byte
	Rows                 []byte // all DataRow messages
	Tag                  []byte // CommandComplete
}

// Size returns the number of wire bytes.
func (e *Entry) Size() int {
	return len(e.ParameterDescription) + len(e.RowDescription) + len(e.Rows) + len(e.Tag)
}

// record is an entry with what decides how long it is valid. It never changes.
type record struct {
	entry   Entry
	tables  []cachepolicy.Table
	tokens  []token // of dependencies(tables), in that order, before the query began; nil in the in-process tier
	tick    tick    // of the in-process clock, before the query began
	expires time.Time
}

// recordOverhead is about what a record takes in memory beside its wire bytes and tables.
const recordOverhead = 400

func (r *record) weight() int {
	return recordOverhead + r.entry.Size() + len(r.entry.Snapshot) + 40*len(r.tables)
}

func (r *record) expired(now time.Time) bool { return !now.Before(r.expires) }

// dependencies returns all that voids a result of these tables: they, their databases and everything.
func dependencies(tables []cachepolicy.Table) []cachepolicy.Table {
	deps := slices.Grow(slices.Clone(tables), 2)
	for _, t := range tables {
		whole := cachepolicy.Table{Database: t.Database}
		if !slices.Contains(deps[len(tables):], whole) {
			deps = append(deps, whole)
		}
	}
	return append(deps, cachepolicy.Everything)
}
