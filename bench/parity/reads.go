package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	beginsRead = regexp.MustCompile(`(?i)^(select|with|values|table)\b`)
	// What a statement must not have: psql's own commands and variables, which an earlier line would have set, and what would
	// not only read or would print something else each time.
	notRepeatable = regexp.MustCompile(`(?i)\\|\$\$|:'|:"|\binto\b|\bfor (update|share)\b|\binsert\b|\bupdate\b|\bdelete\b|` +
		`\brandom\(|\bnow\(|current_|localtime|clock_timestamp|nextval|setval|txid|xact_id|pg_backend_pid|pg_sleep|pg_stat|lo_|setseed`)
)

// readsOf takes the plain reads out of a file of the suite, as far as their lines show where they begin and end.
func readsOf(script string) []string {
	var reads []string
	var read strings.Builder
	for line := range strings.Lines(script) {
		if read.Len() == 0 && !beginsRead.MatchString(line) {
			continue
		}
		read.WriteString(line)
		code, _, _ := strings.Cut(line, "--")
		if !strings.HasSuffix(strings.TrimSpace(code), ";") {
			continue
		}
		if !notRepeatable.MatchString(read.String()) {
			reads = append(reads, read.String())
		}
		read.Reset()
	}
	return reads
}

// timesRead is how often they are run: a result may be on its way into the cache when it is asked for the second time.
const timesRead = 3

// writeReads makes a script of a file's reads, each several times. It is as much PostgreSQL's as the file itself, and does not
// outlive the run.
func (b *bench) writeReads(file string) (path string, err error) {
	text, err := os.ReadFile(b.suite.stdin(file))
	if err != nil {
		return "", err
	}
	path = filepath.Join(b.work, file+".reads.sql")
	script := strings.Repeat(strings.Join(readsOf(string(text)), ""), timesRead)
	return path, os.WriteFile(path, []byte(script), 0o600)
}
