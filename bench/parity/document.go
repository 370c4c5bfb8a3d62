package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/bench/parity/report"
)

// section is the place of these results in docs/COMPATIBILITY.md.
const section = "suites"

func writeScores(page string, scores []*score) error {
	return report.Update(page, section, document(scores))
}

// document is what the page says about a run. It has no dates and no times: a run that finds the same says the same, but for the
// numbers of statements, which depend on how the two sides' sessions met.
func document(scores []*score) string {
	var b strings.Builder
	fmt.Fprintf(&b, "PostgreSQL %s; the replica applies commits %d ms late.\n\n", scores[0].version, scores[0].lag)
	b.WriteString("| suite | files | identical | reads again, files | identical | server connections | statements on the primary | " +
		"on the replica | from the cache |\n")
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, sc := range scores {
		files, identical := sc.count(false)
		again, identicalAgain := sc.count(true)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", sc.suite, files, identical, again, identicalAgain,
			sc.connections, sc.use.primary, sc.use.replica, sc.use.cache)
	}
	b.WriteString("\n")
	for _, sc := range scores {
		fmt.Fprintf(&b, "Pins, %s: %s.\n\n", sc.suite, listed(sc.use.pins))
	}
	b.WriteString(documentDifferences(scores))
	return b.String()
}

func listed(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func documentDifferences(scores []*score) string {
	var b strings.Builder
	for _, sc := range scores {
		for _, r := range sc.results {
			if r.identical() {
				continue
			}
			reason := r.reason
			if reason == "" || r.failure != "" {
				reason = "**not understood yet** " + r.failure
			}
			fmt.Fprintf(&b, "- %s, `%s`: %s\n", sc.suite, r.file, strings.TrimSpace(reason))
		}
		for _, f := range sc.failures {
			fmt.Fprintf(&b, "- %s, beside the files: %s\n", sc.suite, f)
		}
	}
	if b.Len() == 0 {
		return "Nothing differs.\n"
	}
	return "What differs:\n\n" + b.String()
}
