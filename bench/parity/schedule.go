package main

import (
	"bufio"
	"os"
	"strings"
)

// readSchedule lists the files of a schedule in their order. The files of a line may run at a time; here they run one after the
// other, so that both sides always have the same history.
func readSchedule(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var files []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if names, ok := strings.CutPrefix(lines.Text(), "test:"); ok {
			files = append(files, strings.Fields(names)...)
		}
	}
	return files, lines.Err()
}
