package catalog

import (
	"strings"

	"github.com/aioproxy/aioproxy/parser"
)

// Why a connection must be kept for what a function did: values of Resolution.Pins.
const (
	pinAdvisoryLock = "advisory_lock" // session-level lock; pg_locks tells when it is gone
	pinSequence     = "sequence"      // currval, lastval: answered from the connection that called nextval
	pinSetseed      = "setseed"       // random() follows the seed of its connection
	pinBackendPID   = "backend_pid"   // the client may use what it is told as long as the session lasts
)

// What PostgreSQL's own functions (oid below 16384) do cannot be seen from pg_proc: provolatile says that a result may
// change, not whether anything is done. The lists below say it; taken from PostgreSQL 15's pg_proc and valid for others,
// as a name that is missing gets the careful meaning.

// harmlessVolatile are the volatile functions that change nothing: neither data nor the server nor the session.
// Every other volatile function of pg_catalog has effects.
var harmlessVolatile = wordSet(`
	clock_timestamp timeofday random random_normal gen_random_uuid uuidv4 uuidv7 current_query
	pg_sleep pg_sleep_for pg_sleep_until
	pg_blocking_pids pg_safe_snapshot_blocking_pids pg_isolation_test_session_is_blocked
	pg_collation_actual_version pg_database_collation_actual_version
	pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
	pg_current_logfile pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
	pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size
	pg_get_backend_memory_contexts pg_get_multixact_members pg_get_shmem_allocations
	pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_get_wal_summarizer_state pg_get_loaded_modules
	pg_hba_file_rules pg_ident_file_mappings pg_is_in_recovery pg_is_wal_replay_paused pg_jit_available
	pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
	pg_lock_status pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir pg_ls_logicalsnapdir
	pg_ls_replslotdir pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_notification_queue_usage
	pg_partition_ancestors pg_partition_tree pg_prepared_xact
	pg_read_binary_file pg_read_file pg_read_file_old pg_stat_file
	pg_replication_origin_progress pg_replication_origin_session_is_setup pg_replication_origin_session_progress
	pg_sequence_last_value pg_get_sequence_data pg_show_all_file_settings pg_show_replication_origin_status
	pg_stat_have_stats pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status txid_status
	amvalidate bernoulli system`)

// stableEffects are functions declared stable that do something nevertheless: they give the transaction an id.
var stableEffects = wordSet(`txid_current pg_current_xact_id`)

// runsQuery are the functions that run SQL given as text: they may read, write and set anything.
var runsQuery = wordSet(`
	query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema ts_stat ts_rewrite`)

// readsByName are stable functions that read tables which no syntax tree names.
var readsByName = wordSet(`
	table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema
	schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema`)

// setsSession are the functions whose effect outlives the transaction on the connection.
// lo_open is not among them: a large object's descriptor is closed at the end of the transaction.
var setsSession = wordSet(`
	set_config setseed pg_replication_origin_session_setup pg_replication_origin_session_reset
	pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
	pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all`)

// asksTime are the functions of the transaction's or the statement's time; age counts from today with one argument.
var asksTime = wordSet(`now transaction_timestamp statement_timestamp clock_timestamp timeofday age`)

// asksServer are functions beside those named pg_..., inet_..., has_..._privilege and to_reg... that answer from the
// session, the server or its catalogues.
var asksServer = wordSet(`
	current_setting row_security_active current_schema current_schemas current_query obj_description col_description shobj_description
	txid_current txid_current_if_assigned txid_current_snapshot txid_status format_type currval lastval mxid_age version
	set_config`)

// asksNobody are functions named like those that ask the server, which look at their arguments only or at settings
// that are part of every result's key.
var asksNobody = wordSet(`
	pg_sleep pg_sleep_for pg_sleep_until pg_typeof pg_column_size pg_column_compression pg_collation_for
	pg_client_encoding pg_char_to_encoding pg_encoding_to_char pg_size_pretty pg_size_bytes pg_basetype
	pg_input_is_valid pg_input_error_info`)

// quietTriggers are PostgreSQL's trigger functions that touch nothing but the row at hand.
var quietTriggers = wordSet(`tsvector_update_trigger tsvector_update_trigger_column suppress_redundant_updates_trigger`)

// harmlessExtension are volatile functions in C of widespread extensions that change nothing: random values, and markers in a query.
var harmlessExtension = map[string]map[string]bool{
	"uuid-ossp":   wordSet(`uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4`),
	"pgcrypto":    wordSet(`gen_random_uuid gen_random_bytes gen_salt`),
	"timescaledb": wordSet(`time_bucket_gapfill locf interpolate`),
}

// closedExtension are the extensions whose stable functions look at their arguments, settings and dictionaries only.
// Stable functions of others may read tables, as crosstab(text) of tablefunc does.
var closedExtension = wordSet(`btree_gin btree_gist citext cube earthdistance fuzzystrmatch hstore intarray isn ltree
	pg_trgm timescaledb unaccent`)

func wordSet(list string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(list) {
		set[w] = true
	}
	return set
}

// builtin says what a function of PostgreSQL's own does.
func builtin(name string, v Volatility) effect {
	e := effect{volatility: v}
	e.effects = v == Volatile && !harmlessVolatile[name] || stableEffects[name] || runsQuery[name]
	e.writes = runsQuery[name]
	e.reads = runsQuery[name] || readsByName[name]
	e.setsState = setsSession[name] || runsQuery[name]
	e.pins = pinOf(name)
	e.unlisted = e.setsState && e.pins != pinAdvisoryLock
	e.system = v != Immutable && asksServerNamed(name)
	if asksTime[name] {
		e.time = parser.TimeInOutput
	}
	return e
}

// Quiet reports whether a name is known, without having looked at the database, to be one of PostgreSQL's own functions that leave
// nothing behind on the connection: any of pg_catalog but the few that do, and those whose bare names nobody takes for their own.
func Quiet(f parser.Name) bool {
	switch {
	case setsSession[f.Name] || runsQuery[f.Name]:
		return false
	case f.Schema == "":
		return asksServer[f.Name] || asksNobody[f.Name] || harmlessVolatile[f.Name]
	}
	return f.Schema == "pg_catalog"
}

func asksServerNamed(name string) bool {
	if asksServer[name] {
		return true
	}
	for _, prefix := range []string{"pg_", "inet_client", "inet_server", "has_", "to_reg", "txid_"} {
		if strings.HasPrefix(name, prefix) {
			return !asksNobody[name]
		}
	}
	return false
}

func pinOf(name string) string {
	switch {
	case name == "setseed":
		return pinSetseed
	case name == "currval" || name == "lastval":
		return pinSequence
	case name == "pg_backend_pid":
		return pinBackendPID
	case setsSession[name] && strings.Contains(name, "advisory"):
		return pinAdvisoryLock
	}
	return ""
}
