package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// print writes the answer for a person, one fact per line.
func (a answer) print(w io.Writer) {
	d := a.decision
	line(w, "class", "%s", d.Class)
	line(w, "target", "%s (%s: %s)", d.Target, d.Reason, d.Reason.Explain())
	if a.rule && d.Rule >= 0 {
		line(w, "rule", "rules[%d]", d.Rule)
	}
	if d.Read {
		line(w, "consistency", "%s", d.Consistency)
	}
	a.printCache(w)
	if settings := a.settings(); settings != "" {
		line(w, "settings", "%s", settings)
	}
	a.printNames(w)
	a.printHints(w)
	if a.facts.Opaque() {
		line(w, "opaque", "%s", a.facts.Reason)
		return
	}
	line(w, "fingerprint", "%016x", a.facts.Fingerprint)
	line(w, "normalized", "%s", strings.Join(strings.Fields(a.facts.Normalized), " "))
}

func (a answer) printCache(w io.Writer) {
	switch a.verdict.Mode {
	case cachepolicy.Use:
		line(w, "cache", "yes, for %s", a.verdict.TTL)
	case cachepolicy.Bypass:
		line(w, "cache", "no (%s: %s)", a.verdict.Reason, a.verdict.Reason.Explain())
	}
}

// settings are those in force for the statement besides what the client has set.
func (a answer) settings() string {
	var pairs []string
	for _, s := range a.decision.Policy.Settings {
		pairs = append(pairs, s.Name+"="+s.Value)
	}
	if limit := a.decision.Policy.QueryTimeout; limit > 0 {
		pairs = append(pairs, "query_timeout="+limit.Round(time.Millisecond).String())
	}
	return strings.Join(pairs, " ")
}

func (a answer) printNames(w io.Writer) {
	if len(a.names.tables) > 0 {
		line(w, "tables", "%s", few(a.names.tables))
	}
	var writes, functions []string
	for i := range a.facts.Statements {
		writes = append(writes, qualified(a.facts.Statements[i].Writes)...)
		functions = append(functions, qualified(a.facts.Statements[i].Functions)...)
	}
	if len(writes) > 0 {
		line(w, "writes", "%s", few(writes))
	}
	if len(functions) > 0 {
		line(w, "functions", "%s%s", few(functions), a.worst())
	}
	if r := a.names.resolution; r != nil && r.Unknown != "" {
		line(w, "unknown", "%s is not in the catalog", r.Unknown)
	}
	line(w, "judged from", "%s", a.names.source)
}

// worst names the function that keeps a result from being reused or a statement from being a plain read.
func (a answer) worst() string {
	r := a.names.resolution
	if r == nil || r.Function == (parser.Name{}) || r.Volatility == catalog.Immutable {
		return ""
	}
	kind := "stable"
	if r.Volatility == catalog.Volatile {
		kind = "volatile"
	}
	return fmt.Sprintf(" (%s is %s)", qualified([]parser.Name{r.Function})[0], kind)
}

func (a answer) printHints(w io.Writer) {
	if a.facts.Hints != nil && len(a.facts.Hints.Unknown) > 0 {
		line(w, "ignored", "%s: not a hint that aioproxy knows", strings.Join(a.facts.Hints.Unknown, ", "))
	}
}

// few keeps a table of a thousand partitions readable.
func few(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
