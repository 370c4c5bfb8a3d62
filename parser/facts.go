// Package parser knows what a SQL text is: its kind, the relations and functions that it names, its locks, its shape
// and its fingerprint. It has no configuration, no session and no opinion; router and cachepolicy judge from what it says.
package parser

// Kind is the kind of one statement.
type Kind uint8

// The kinds of statement. Opaque is first so that a forgotten value is the careful one.
const (
	Opaque Kind = iota // not parsed: it may be anything
	Empty              // nothing but white space and comments
	Select             // SELECT, VALUES, TABLE; see Statement.Writes for data-modifying WITH
	Insert
	Update
	Delete
	Merge
	CopyFrom
	CopyTo
	Begin    // BEGIN, START TRANSACTION
	Commit   // COMMIT, END
	Rollback // ROLLBACK, ABORT
	Savepoint
	ReleaseSavepoint
	RollbackToSavepoint
	PrepareTransaction
	CommitPrepared
	RollbackPrepared
	Set // SET, SET LOCAL, SET ROLE, SET SESSION AUTHORIZATION, SET SESSION CHARACTERISTICS, SET TRANSACTION
	Reset
	Show
	SetConstraints
	Explain
	Prepare
	Execute
	Deallocate
	Discard
	Declare
	Fetch // FETCH, MOVE
	CloseCursor
	Listen
	Unlisten
	Notify
	Lock
	Load
	Do
	Call
	DDL         // CREATE, ALTER, DROP, GRANT, COMMENT, TRUNCATE is not among them (see Truncate)
	Truncate    //
	Maintenance // VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT, REFRESH MATERIALIZED VIEW
)

// Name is a possibly qualified name as written, after PostgreSQL's case folding. Schema is empty when not written.
type Name struct {
	Schema string
	Name   string
}

// TimeUse says where a statement depends on the transaction's time (now(), CURRENT_DATE, 'now' and the like).
// A later value includes the earlier ones.
type TimeUse uint8

// The places where the time may matter.
const (
	TimeUnused      TimeUse = iota
	TimeInCondition         // only in WHERE, HAVING or JOIN ... ON
	TimeInOutput            // in the target list, GROUP BY, ORDER BY, LIMIT or a place that was not understood
)

// Shape is what routing by class needs to know about a query's form.
type Shape struct {
	Aggregates   bool // an aggregate by name or syntax (count, sum, FILTER, WITHIN GROUP, ...)
	GroupBy      bool // GROUP BY, GROUPING SETS, ROLLUP, CUBE, HAVING
	Distinct     bool
	Window       bool
	SetOperation bool // UNION, INTERSECT, EXCEPT
	Recursive    bool // WITH RECURSIVE
	OrderBy      bool
	Limit        bool // LIMIT or FETCH FIRST
	Where        bool
	Equality     bool // a top-level AND term compares a plain column with a constant or parameter by =, or IN a list
	TimeRange    bool // a column is compared by <, <=, >, >= or BETWEEN with a time expression, a parameter or a literal
	TimeBucket   bool // time_bucket(), date_trunc(), date_bin() or extract() in the target list or GROUP BY
	TextSearch   bool // @@, to_tsquery() and family, ts_rank(), similarity() and trigram operators %, <->, <%, %>
	Relations    int  // relations named in FROM, over all levels
	Joins        int
	Subqueries   int
}

// Setting says what SET, RESET and SHOW name. Name is lower case; "role", "session_authorization", "transaction",
// "characteristics" and "timezone" are spelled as PostgreSQL's grammar spells them.
type Setting struct {
	Name    string   // empty when All
	Values  []string // literals as written after SET name TO; nil for DEFAULT, RESET and SHOW
	Local   bool     // SET LOCAL, SET TRANSACTION
	All     bool     // RESET ALL, SHOW ALL
	Default bool     // SET ... TO DEFAULT, RESET
}

// ConfigCall is a call of set_config(name, value, is_local). Name is empty and Local false where the argument is not a
// literal. A text with such a call shares its facts with no other text.
type ConfigCall struct {
	Name  string
	Local bool
}

// Transaction carries the options of BEGIN, COMMIT, ROLLBACK, SET TRANSACTION and SET SESSION CHARACTERISTICS.
type Transaction struct {
	ReadOnly     bool
	ReadWrite    bool
	Serializable bool
	Deferrable   bool
	Chain        bool // AND CHAIN
}

// Relogin says what DDL means for connections: PostgreSQL looks at some properties of roles and databases only when somebody
// connects, and does some things to a database only when nobody else is connected to it.
type Relogin struct {
	Roles     []string // a login as one of these may come out otherwise from now on
	AnyRole   bool     // the same for every role: ALTER ROLE ALL, CURRENT_USER
	Databases []string // and to one of these
	Settings  bool     // what their sessions start out with is another thing, not just who may connect
	Vacates   []string // databases that no other session may be connected to
}

// Statement is what one statement of a text is.
type Statement struct {
	Kind      Kind
	Reads     []Name // relations read; names of WITH queries are not among them; sorted, no duplicates
	Writes    []Name // relations changed by INSERT, UPDATE, DELETE, MERGE, COPY FROM, TRUNCATE; also inside WITH
	Functions []Name // every function, aggregate and procedure called by name; sorted, no duplicates
	Locking   bool   // FOR UPDATE, FOR SHARE and variants at any level
	Into      bool   // SELECT INTO, CREATE TABLE AS
	Temp      bool   // creates a temporary object (TEMP, pg_temp.)
	Hold      bool   // DECLARE ... WITH HOLD
	Executes  bool   // EXPLAIN ANALYZE: Inner is carried out
	Time      TimeUse
	Shape     Shape
	Object    string       // name of the prepared statement, cursor, savepoint, channel or DISCARD target ("all", "plans", "sequences", "temp")
	Setting   *Setting     // for Set, Reset, Show
	Configs   []ConfigCall // calls of set_config
	Tx        *Transaction // for Begin, Commit, Rollback and the transaction forms of Set
	Relogin   *Relogin     // for DDL about roles and databases
	Inner     *Statement   // for Explain, Prepare, Declare, CopyTo of a query; its relations and functions are repeated in the outer one
}

// Hints is what a comment /* aioproxy: key=value, ... */ in the text asks for. Unknown keys and values are kept in Unknown
// so that whoever obeys them can say so.
type Hints struct {
	Route       string // "primary", "replica" or ""
	Cache       string // "on", "off" or ""
	Consistency string // "global", "session", "eventual" or ""
	Class       string
	Unknown     []string
}

// Facts is what one text (of a Query or Parse message) is. It is shared by all sessions and never changed.
type Facts struct {
	Fingerprint uint64 // equal for texts that differ only in literals; 0 when opaque
	Normalized  string // the text with literals replaced by $n; a constant such as "<opaque>" when it could not be parsed
	Statements  []Statement
	Hints       *Hints // nil when there are none
	Reason      string // why the text is opaque: "syntax", "too long", "nul"; empty otherwise
}

// Opaque reports whether nothing is known about the text.
func (f *Facts) Opaque() bool { return f.Reason != "" }

// Single returns the only statement of the text, or nil if there are none or several.
func (f *Facts) Single() *Statement {
	if len(f.Statements) != 1 {
		return nil
	}
	return &f.Statements[0]
}
