package router

import (
	"strings"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// Functions of these families tell about the server, its log, its transactions or its files, not about data
// (https://www.postgresql.org/docs/current/functions-info.html and functions-admin.html).
var serverPrefixes = []string{"pg_", "txid_", "inet_", "lo_"}

// plainFunctions belong to those families by name only.
var plainFunctions = map[string]bool{
	"pg_typeof": true, "pg_size_pretty": true, "pg_size_bytes": true, "pg_column_size": true,
	"pg_column_compression": true, "pg_sleep": true, "pg_sleep_for": true, "pg_sleep_until": true,
}

// serverFunctions answer from the server or from settings, which classes may change.
var serverFunctions = map[string]bool{"current_setting": true, "version": true, "row_security_active": true}

func isServerFunction(f parser.Name) bool {
	if f.Schema != "" && f.Schema != "pg_catalog" {
		return false
	}
	if serverFunctions[f.Name] {
		return true
	}
	for _, prefix := range serverPrefixes {
		if strings.HasPrefix(f.Name, prefix) {
			return !plainFunctions[f.Name]
		}
	}
	return false
}

// callsServerFunction looks at the functions written in the statement and at the worst one behind its views.
func callsServerFunction(s *parser.Statement, names *catalog.Resolution) bool {
	for _, f := range s.Functions {
		if isServerFunction(f) {
			return true
		}
	}
	return names.Volatility != catalog.Immutable && isServerFunction(names.Function)
}
