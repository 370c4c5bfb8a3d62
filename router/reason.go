package router

// Reason says why a request goes where it goes. It is a metric label as well.
type Reason uint8

// The reasons, those of doubt first. Opaque is the zero value so that a forgotten reason is the careful one.
const (
	Opaque Reason = iota
	TooLarge
	Held
	Nothing
	TransactionControl
	SessionCommand
	Write
	Locks
	CreatesTable
	TempObject
	SchemaChange
	MaintenanceCommand
	Procedure
	Copy
	CatalogUnknown
	UnknownName
	FunctionEffects
	FunctionState
	FunctionPins
	ServerFunction
	TemporaryRelation
	UnloggedRelation
	ForeignRelation
	SystemRelation
	SerializableSession
	ReadOnlyTransaction
	ByClass
	ByExperience
	ByRule
	ByHint
	BySession
	NoReplica
	NoPrimary
	ReplicaRefused
	reasonCount
)

// Reasons lists all reasons.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount)
	for r := range reasonCount {
		all = append(all, r)
	}
	return all
}

var reasonTexts = [reasonCount]struct{ label, explain string }{
	Opaque:              {"opaque", "the text could not be parsed, so it may be anything; only the primary can judge it"},
	TooLarge:            {"too_large", "the request is larger than the look-ahead window, so not all of its statements are known"},
	Held:                {"held", "the session holds its server connection: a transaction is open or the session is pinned"},
	Nothing:             {"nothing", "the request has no statement"},
	TransactionControl:  {"transaction_control", "a transaction begins or ends on the primary unless it is declared READ ONLY"},
	SessionCommand:      {"session_command", "the command is about the session and not about data"},
	Write:               {"write", "the request changes data"},
	Locks:               {"locks", "the request locks rows or tables, which a replica cannot do"},
	CreatesTable:        {"creates_table", "the result is stored in a new table"},
	TempObject:          {"temp_object", "the request makes a temporary object"},
	SchemaChange:        {"schema_change", "the request changes the schema"},
	MaintenanceCommand:  {"maintenance_command", "maintenance commands work on the primary"},
	Procedure:           {"procedure", "what a procedure or DO block does cannot be seen"},
	Copy:                {"copy", "COPY ... TO may write a file on the server that runs it"},
	CatalogUnknown:      {"catalog_unknown", "the catalog of this database is not loaded yet or is being reloaded after DDL"},
	UnknownName:         {"unknown_name", "a name in the request is not in the catalog; PostgreSQL judges it"},
	FunctionEffects:     {"function_effects", "a function is called that is not known to be free of side effects"},
	FunctionState:       {"function_state", "a function is called that may change the state of the session"},
	FunctionPins:        {"function_pins", "a function is called whose effect belongs to the server connection"},
	ServerFunction:      {"server_function", "a function is called that tells about the server and would answer differently on a replica"},
	TemporaryRelation:   {"temporary_relation", "temporary tables exist only on the session's own server connection"},
	UnloggedRelation:    {"unlogged_relation", "unlogged tables are empty on a replica"},
	ForeignRelation:     {"foreign_relation", "foreign tables are outside the log that replicas follow"},
	SystemRelation:      {"system_relation", "system catalogs and statistics views are read on the primary"},
	SerializableSession: {"serializable", "a replica refuses serializable transactions"},
	ReadOnlyTransaction: {"read_only_transaction", "the transaction is declared READ ONLY"},
	ByClass:             {"class", "the route of its class"},
	ByExperience:        {"experience", "its measured time says that it is analytics although it does not look like it"},
	ByRule:              {"rule", "a rule of the configuration says so"},
	ByHint:              {"hint", "a comment in the statement says so"},
	BySession:           {"session", "the session said so with SET aioproxy.route"},
	NoReplica:           {"no_replica", "a replica should answer but none is usable"},
	ReplicaRefused:      {"replica_refused", "a replica refused this statement as a write, whatever it looks like"},
	NoPrimary:           {"no_primary", "there is no primary now; a replica answers reads"},
}

func (r Reason) String() string { return reasonTexts[r].label }

// Explain is a sentence for people.
func (r Reason) Explain() string { return reasonTexts[r].explain }
