package compose

import (
	"strings"
)

// setting is one that sessions set, with values of which some are wrong.
type setting struct {
	name   string
	values []string
	local  bool // not at start-up: errors there would end every session
}

var settings = []setting{
	{name: "work_mem", values: []string{"1MB", "2048", "64kB"}},
	{name: "DateStyle", values: []string{"ISO, DMY", "German", "SQL, MDY"}},
	{name: "TimeZone", values: []string{"UTC", "America/New_York", "Asia/Kolkata"}},
	{name: "IntervalStyle", values: []string{"iso_8601", "postgres_verbose", "sql_standard"}},
	{name: "extra_float_digits", values: []string{"-3", "0", "3"}},
	{name: "bytea_output", values: []string{"escape", "hex"}},
	{name: "application_name", values: []string{"composed", "a b", ""}},
	{name: "client_min_messages", values: []string{"info", "error", "warning", "log"}},
	{name: "standard_conforming_strings", values: []string{"off", "on"}},
	{name: "client_encoding", values: []string{"LATIN1", "UTF8", "SQL_ASCII"}},
	{name: "enable_seqscan", values: []string{"off", "on"}},
	{name: "statement_timeout", values: []string{"60s", "0"}},
	{name: "lock_timeout", values: []string{"59s", "0"}},
	{name: "default_transaction_isolation", values: []string{"serializable", "repeatable read", "read committed"}},
	{name: "default_transaction_read_only", values: []string{"on", "off", "off"}},
	{name: "default_transaction_deferrable", values: []string{"on", "off"}},
	{name: "row_security", values: []string{"on", "off"}},
	{name: "array_nulls", values: []string{"off", "on"}},
	{name: "lc_monetary", values: []string{"C", "C.UTF-8"}},
	{name: "xmloption", values: []string{"document", "content"}},
	{name: "default_text_search_config", values: []string{"pg_catalog.simple", "pg_catalog.english"}},
	{name: "check_function_bodies", values: []string{"on", "off"}},
	{name: "my.app", values: []string{"one", "two", ""}},
	{name: "my.other", values: []string{"x'y", `back\slash`, "ä"}},
	{name: "no_such_setting", values: []string{"1"}, local: true},
	{name: "shared_buffers", values: []string{"1"}, local: true},
	{name: "log_min_messages", values: []string{"nonsense"}, local: true},
	{name: "seed", values: []string{"0.25"}, local: true},
	{name: "session_replication_role", values: []string{"replica", "origin"}, local: true},
}

var settingPieces = []kind{
	{"set", 12, func(g *gen) []Step { return g.run(g.set()) }},
	{"set several", 5, func(g *gen) []Step { return g.run(g.set(), g.set(), g.show()) }},
	{"reset", 4, func(g *gen) []Step { return g.run("RESET " + g.setting().name) }},
	{"reset all", 2, func(g *gen) []Step { return g.run("RESET ALL", "SET search_path = $S") }},
	{"set path", 3, func(g *gen) []Step {
		return g.run("SET search_path = " + one(g, "$S", "$S, public", "pg_catalog, $S", `"$user", $S`, "pg_temp, $S", "''"))
	}},
	{"set_config", 4, func(g *gen) []Step {
		s := g.setting()
		return g.run("SELECT set_config(" + literal(s.name) + ", " + literal(one(g, s.values...)) + ", " + one(g, "true", "false") + ")")
	}},
	{"set_config among rows", 2, func(g *gen) []Step {
		return g.run("SELECT id, set_config('my.app', v, false) FROM a WHERE id < 3 ORDER BY id", "SELECT c FROM vset")
	}},
	{"set_config from a table", 1, func(g *gen) []Step {
		return g.run("SELECT set_config(name, '5MB', false) FROM (VALUES ('work_mem'), ('maintenance_work_mem')) x(name)", "SHOW work_mem")
	}},
	{"show", 6, func(g *gen) []Step { return g.run(g.show(), g.show()) }},
	{"set from current", 1, func(g *gen) []Step {
		return g.run("SET work_mem = '3MB'", "CREATE OR REPLACE FUNCTION f_cur() RETURNS text LANGUAGE sql SET work_mem FROM CURRENT AS $$ SELECT current_setting('work_mem') $$",
			"RESET work_mem", "SELECT f_cur()", "SHOW work_mem")
	}},
	{"set names", 1, func(g *gen) []Step {
		return g.run("SET NAMES "+one(g, "'LATIN1'", "'UTF8'", "DEFAULT", "'nonsense'"), "SHOW client_encoding", "SELECT 'é', length('é')")
	}},
	{"set time zone", 2, func(g *gen) []Step {
		return g.run("SET TIME ZONE "+one(g, "-7", "INTERVAL '+02:00' HOUR TO MINUTE", "'Europe/Rome'"), "SHOW TimeZone", "SELECT at FROM kinds ORDER BY id")
	}},
	{"characteristics", 2, func(g *gen) []Step {
		return g.run("SET SESSION CHARACTERISTICS AS TRANSACTION "+one(g, "READ ONLY", "READ WRITE", "ISOLATION LEVEL SERIALIZABLE", "ISOLATION LEVEL READ COMMITTED, READ WRITE"),
			"SHOW transaction_isolation", "SHOW transaction_read_only", "SHOW default_transaction_read_only")
	}},
	{"set and read", 6, func(g *gen) []Step { return g.run(g.set(), "SELECT * FROM kinds ORDER BY id") }},
	{"steer", 2, func(g *gen) []Step {
		return g.run("SELECT /* aioproxy: "+one(g, "route=primary", "cache=off", "route=replica")+" */ count(*) FROM big", "SELECT count(*) FROM big")
	}},
}

func (g *gen) setting() setting { return settings[g.IntN(len(settings))] }

// set is a SET in one of its forms.
func (g *gen) set() string {
	s := g.setting()
	value := literal(one(g, s.values...))
	if strings.Contains(s.name, "Style") && strings.Contains(value, ",") {
		value = strings.Trim(value, "'")
	}
	how := one(g, "", "", "SESSION ", "LOCAL ")
	if how != "LOCAL " && g.IntN(10) == 0 { // SET LOCAL ... TO DEFAULT does not bring back what the start-up packet asked for
		value = "DEFAULT"
	}
	return "SET " + how + s.name + one(g, " = ", " TO ") + value
}

func (g *gen) show() string {
	return show(one(g, g.setting().name, g.setting().name, "search_path", "is_superuser", "session_authorization", "transaction_isolation",
		"transaction_read_only", "in_hot_standby", "server_version", "role", "max_connections", "integer_datetimes"))
}

// show asks for a setting. A custom one that is not there and one that is empty are the same here: once made, it stays on
// its connection.
func show(name string) string {
	if strings.Contains(name, ".") {
		return "SELECT nullif(current_setting('" + name + "', true), '')"
	}
	return "SHOW " + name
}

func literal(s string) string {
	if strings.Contains(s, `\`) {
		return "E'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

var rolePieces = []kind{
	{"set role", 4, func(g *gen) []Step {
		return g.run("SET "+one(g, "", "LOCAL ", "SESSION ")+"ROLE "+one(g, "cr$I", "cr$I", "NONE", "no_such_role", "'cr$I'"),
			"SELECT current_user, session_user", "SELECT count(*) FROM "+one(g, "a", "b", "big"))
	}},
	{"set session authorization", 2, func(g *gen) []Step {
		return g.run("SET "+one(g, "", "LOCAL ")+"SESSION AUTHORIZATION "+one(g, "cr$I", "composer", "DEFAULT"), "SELECT current_user, session_user", "SHOW is_superuser")
	}},
	{"reset role", 4, func(g *gen) []Step {
		return g.run(one(g, "RESET ROLE", "RESET SESSION AUTHORIZATION", "SET ROLE NONE", "SET SESSION AUTHORIZATION DEFAULT"), "SELECT current_user, session_user")
	}},
	{"role in a transaction", 2, func(g *gen) []Step {
		return g.run("BEGIN", "SET ROLE cr$I", "SELECT current_user", one(g, "COMMIT", "ROLLBACK"), "SELECT current_user", "RESET ROLE")
	}},
	{"role and write", 2, func(g *gen) []Step {
		return g.run("SET ROLE cr$I", "INSERT INTO a VALUES (50, 'r')", "SELECT * FROM a WHERE id = 50", "RESET ROLE", "DELETE FROM a WHERE id = 50")
	}},
}
