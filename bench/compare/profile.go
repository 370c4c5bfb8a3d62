package main

import (
	"path/filepath"
	"regexp"
)

var notFileName = regexp.MustCompile(`[^A-Za-z0-9]+`)

// profileFile is where the CPU profile of the row under way goes; the last round's stays.
func (b *bench) profileFile() string {
	return filepath.Join(b.profiles, notFileName.ReplaceAllString(b.row.name, "_")+".pprof")
}
