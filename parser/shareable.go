package parser

import "strings"

// literalMatters reports whether a function's string arguments are names or settings, so that a text that calls it with
// another literal is not the same kind of statement to those who judge it.
func literalMatters(name string) bool {
	switch name {
	case "set_config", "current_setting", "nextval", "setval", "currval", "lastval", "setseed", "to_regclass",
		"query_to_xml", "table_to_xml", "cursor_to_xml", "pg_notify", "lo_import", "lo_export", "age":
		return true
	}
	for _, prefix := range []string{"dblink", "pg_advisory_", "pg_try_advisory_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
