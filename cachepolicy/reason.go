package cachepolicy

// Reason says why a request is or is not cached. It is the label of the metrics and what explain prints.
type Reason uint8

// The reasons. Everything but Cacheable goes with the mode Bypass.
const (
	Cacheable        Reason = iota
	Off                     // the session or the statement said so
	ClassOff                // the class does not cache
	Opaque                  // the text was not parsed
	NotSingle               // none or several statements in one text
	NotSelect               // not a SELECT
	Writes                  // a SELECT that changes a relation: data-modifying WITH, INTO
	Locking                 // FOR UPDATE and family
	CatalogUnknown          // the catalog is not loaded or known to be stale
	NameUnknown             // a name that the catalog does not have
	VolatileFunction        // a volatile function, or one with an effect
	StableFunction          // a function that may read tables which the catalog cannot name
	ContextFunction         // a function that tells about the session, the server or the system catalogues
	TimeInOutput            // the time is part of the output
	TimeInCondition         // the time is part of a condition and no time_ttl is given
	TimeInView              // a view or default that depends on the time
	TimeInParameter         // a parameter may be 'now', 'today' and the like
	MalformedBind           // the parameters are not of the form of a Bind message
	RowSecurity             // what a policy reads is not known
	TemporaryTable
	UnloggedTable
	ForeignTable
	SystemCatalog // also sequences, and views that ask the server
	NoTable       // no relation is read: cheap to run, and often a health check that must reach the server
)

// NumReasons is the number of reasons, for tables indexed by Reason.
const NumReasons = int(NoTable) + 1

var reasons = [NumReasons]struct{ label, text string }{
	Cacheable:        {"cacheable", "the result depends only on its tables and on what is in the key"},
	Off:              {"off", "the session or the statement asked for no caching"},
	ClassOff:         {"class_off", "the class of the statement is not cached; set cache: true for it or ask with SET aioproxy.cache = on"},
	Opaque:           {"opaque", "the text could not be parsed"},
	NotSingle:        {"not_single", "the text does not hold exactly one statement"},
	NotSelect:        {"not_select", "only SELECT, VALUES and TABLE are cached"},
	Writes:           {"writes", "the statement changes data"},
	Locking:          {"locking", "the statement locks rows"},
	CatalogUnknown:   {"catalog_unknown", "the catalog of the database is not loaded yet, or is being reloaded after DDL"},
	NameUnknown:      {"name_unknown", "a relation or function of the statement is not in the catalog"},
	VolatileFunction: {"volatile_function", "a volatile function is called, or one that has an effect"},
	StableFunction:   {"stable_function", "a function is called that may read tables, and which ones is not known"},
	ContextFunction:  {"context_function", "a function is called whose result depends on the session, the server or the system catalogues"},
	TimeInOutput:     {"time_in_output", "the current time is part of the output"},
	TimeInCondition:  {"time_in_condition", "a condition depends on the current time and no time_ttl is given"},
	TimeInView:       {"time_in_view", "a view depends on the current time"},
	TimeInParameter:  {"time_in_parameter", "a parameter is a word such as now or today, which may mean the current time"},
	MalformedBind:    {"malformed_bind", "the parameters cannot be read"},
	RowSecurity:      {"row_security", "row security applies: what its policies read is not known"},
	TemporaryTable:   {"temporary_table", "a temporary table is read"},
	UnloggedTable:    {"unlogged_table", "an unlogged table is read: its changes are not in the log"},
	ForeignTable:     {"foreign_table", "a foreign table is read: its changes are not seen"},
	SystemCatalog:    {"system_catalog", "a system catalogue or sequence is read, or a view asks the server"},
	NoTable:          {"no_table", "no table is read"},
}

// String returns the metric label.
func (r Reason) String() string {
	if int(r) >= NumReasons {
		return "unknown"
	}
	return reasons[r].label
}

// Explain returns a sentence for a person.
func (r Reason) Explain() string {
	if int(r) >= NumReasons {
		return "unknown"
	}
	return reasons[r].text
}

// String returns the mode as explain prints it.
func (m Mode) String() string {
	switch m {
	case Bypass:
		return "bypass"
	case Use:
		return "use"
	}
	return "unknown"
}
