package catalog

import "github.com/aioproxy/aioproxy/parser"

// RelID is the object id of a relation (pg_class.oid) in one database.
type RelID uint32

// Volatility orders functions as pg_proc.provolatile does.
type Volatility uint8

// The volatility classes of PostgreSQL (CREATE FUNCTION, "IMMUTABLE / STABLE / VOLATILE").
const (
	Immutable Volatility = iota
	Stable
	Volatile
)

// Resolution is what the names of one text mean in one database, for one search path. It is shared and never changed.
type Resolution struct {
	Unknown       string      // the first name that the catalog does not have; empty when all are known
	Reads         []RelID     // base relations read, through views, inheritance and partitions; sorted
	Writes        []RelID     // relations changed, with parents, partitions and foreign-key cascades; sorted
	WritesUnknown string      // why there may be further effects (trigger, rule, function, ...); empty when Writes is all
	Volatility    Volatility  // of the worst function called, also by views
	Function      parser.Name // that function, with its schema; of equals a user's, then one about the server, then one about the time
	Effects       bool        // calls a volatile function that is not known to be free of side effects
	SetsState     bool        // calls a function that may change session state (set_config, advisory locks, an opaque body, ...)
	Unlisted      bool        // what it may change is not only what the server lists: locks, channels, temporary objects and the like
	Pins          string      // calls a built-in function whose effect belongs to the connection: "advisory_lock", "sequence", ...; else empty
	RowSecurity   bool        // a relation read has row security, or a view runs with its invoker's rights over one
	Temporary     bool        // reads or writes a temporary relation
	Unlogged      bool        // reads an unlogged relation: empty on a replica
	Foreign       bool        // reads a foreign table
	System        bool        // reads a system catalogue or information_schema
	Partitioned   bool        // reads a partitioned table or a hypertable
	Rows          float64     // planner's estimate (reltuples, partitions added up) of the biggest relation read

	ReadsUnknown string         // why Reads may not be all: "function" (a body that may read tables), "cursor", ...; empty when it is all
	Time         parser.TimeUse // how views use the time; Statement.Time says it of the text itself
}
