package main

import "strings"

// divergence is a difference whose cause is known and which is not the proxy's to mend. It holds for exactly these lines: any
// other difference of the same file fails the run.
type divergence struct {
	suite, file string
	diff        string // the lines that differ, as changed() gives them
	reason      string
}

var divergences []divergence

// understood returns the reason of a difference, "" if it has none.
func understood(suite, file, diff string) string {
	for _, d := range divergences {
		if d.suite == suite && d.file == file && diff != "" && d.diff == changed(diff) {
			return d.reason
		}
	}
	return ""
}

// changed returns the lines of a difference that are not the same on both sides.
func changed(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		if (line[0] == '+' || line[0] == '-') && !strings.HasPrefix(line, "--- direct") && !strings.HasPrefix(line, "+++ proxied") {
			b.WriteString(line)
		}
	}
	return b.String()
}
