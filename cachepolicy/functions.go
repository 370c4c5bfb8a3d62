package cachepolicy

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

//go:embed functions.txt
var functionsText string

// functionSection is a section of functions.txt.
type functionSection string

const (
	sectionContext  functionSection = "context"
	sectionPrefixes functionSection = "prefixes" // of names that belong to sectionContext
)

// listed has the names of functions.txt, contextPrefixes its prefixes. They are written once, at start.
var listed, contextPrefixes = parseFunctions(functionsText)

func parseFunctions(text string) (names map[string]functionSection, prefixes []string) {
	names = make(map[string]functionSection)
	var now functionSection
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			now = functionSection(strings.Trim(line, "[]"))
		case now == sectionPrefixes:
			prefixes = append(prefixes, strings.Fields(line)...)
		default:
			for name := range strings.FieldsSeq(line) {
				names[name] = now
			}
		}
	}
	return names, prefixes
}

// functionsReason judges the functions that the text and its views call.
//
// If the worst of them is immutable there is nothing to ask: PostgreSQL itself would fold such a call into a constant. If
// it is stable, the catalog names that one function only. But it names, of several stable ones, a user's before one that
// asks the server, that before one that asks the time, and that before all others; and ReadsUnknown says whether any of
// them may read tables of which no write would be noticed. So once ReadsUnknown is empty and the named function is a
// harmless one, all are; this holds for functions inside views as well, whose names are not in the text. The names that
// are in the text are looked at nevertheless: twice is cheap here, and a wrong answer is not.
func functionsReason(s *parser.Statement, n *catalog.Resolution) Reason {
	switch {
	case n.Volatility >= catalog.Volatile || n.Effects || n.SetsState || n.Pins != "":
		return VolatileFunction
	case n.ReadsUnknown != "":
		return StableFunction
	}
	for _, name := range s.Functions {
		if isBuiltin(name) && contextual(name.Name) {
			return ContextFunction
		}
	}
	if n.Volatility == catalog.Stable && n.Function.Schema == "pg_catalog" && !harmless(n.Function) {
		return ContextFunction
	}
	return Cacheable
}

func isBuiltin(f parser.Name) bool { return f.Schema == "" || f.Schema == "pg_catalog" }

// contextual reports whether a built-in function tells about the session, the server or the system catalogues.
func contextual(name string) bool {
	if section, ok := listed[name]; ok {
		return section == sectionContext
	}
	return slices.ContainsFunc(contextPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// harmless reports whether f is a built-in function that changes nothing and whose result is given by its arguments, the
// key, the tables of the statement and the time.
func harmless(f parser.Name) bool {
	if isTime(f) || isBuiltin(f) && f.Name == "age" { // age(x) counts from today, which TimeUse accounts for
		return true
	}
	section, ok := listed[f.Name]
	return ok && isBuiltin(f) && section != sectionContext
}

// Harmless reports whether all of these are built-in functions that change nothing, neither data nor the session. Whether
// the names mean those is for the catalog to say.
func Harmless(functions []parser.Name) bool { return allHarmless(functions) }

// isTime reports whether f returns the time of the transaction or statement. clock_timestamp and timeofday are volatile.
func isTime(f parser.Name) bool {
	switch f.Name {
	case "now", "transaction_timestamp", "statement_timestamp":
		return isBuiltin(f)
	}
	return false
}
