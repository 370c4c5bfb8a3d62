package router

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Setting is a run-time setting (GUC) and its value.
type Setting struct{ Name, Value string }

// settingName is what PostgreSQL accepts as a parameter name (guc.c, valid_custom_variable_name).
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$`)

// refused are settings that change who asks, what a statement means or how its result looks. A class may make statements
// faster; it may not make them different.
var refused = map[string]string{
	"role": "", "session_authorization": "", "search_path": "", "client_encoding": "", "datestyle": "", "intervalstyle": "",
	"timezone": "", "timezone_abbreviations": "", "extra_float_digits": "", "bytea_output": "", "row_security": "",
	"standard_conforming_strings": "", "backslash_quote": "", "escape_string_warning": "", "transform_null_equals": "",
	"array_nulls": "", "xmlbinary": "", "xmloption": "", "quote_all_identifiers": "", "default_text_search_config": "",
	"session_replication_role": "", "client_min_messages": "", "application_name": "", "is_superuser": "",
	"check_function_bodies": "", "default_tablespace": "", "temp_tablespaces": "", "default_table_access_method": "",
	"allow_system_table_mods": "", "ignore_system_indexes": "", "zero_damaged_pages": "", "ignore_checksum_failure": "",
	"local_preload_libraries": "", "session_preload_libraries": "", "shared_preload_libraries": "", "dynamic_library_path": "",
	"password_encryption": "", "event_triggers": "", "lo_compat_privileges": "", "createrole_self_grant": "",
	"plpgsql.variable_conflict": "",
	"statement_timeout":         "write query_timeout instead",
}

var refusedPrefixes = []string{"lc_", "transaction_", "default_transaction_", "aioproxy.", "idle_", "ssl_"}

// refusedSetting says why a class or rule may not have the setting; empty if it may.
func refusedSetting(name string) string {
	if !settingName.MatchString(name) {
		return "is not the name of a setting; write names such as work_mem"
	}
	lower := strings.ToLower(name)
	instead, bad := refused[lower]
	for _, prefix := range refusedPrefixes {
		bad = bad || strings.HasPrefix(lower, prefix)
	}
	switch {
	case instead != "":
		return "is not allowed here; " + instead
	case bad:
		return "is not allowed here, because it changes results, rights or the session; " +
			"write it into the settings of the role or database (ALTER ROLE ... SET)"
	}
	return ""
}

// sortedSettings lays over on top of base and returns pairs in the order of their lower-case names.
func sortedSettings(base, over SettingsMap) []Setting {
	all := map[string]string{}
	for _, m := range []SettingsMap{base, over} {
		for name, value := range m {
			all[strings.ToLower(name)] = value
		}
	}
	pairs := make([]Setting, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, Setting{name, all[name]})
	}
	return pairs
}
