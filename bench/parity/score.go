package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// result is one file on both sides.
type result struct {
	file    string
	diff    string // "" when identical
	again   bool   // the reads of a file that ran before
	reason  string // why it differs, when that is understood
	failure string // what is wrong besides what is printed
	took    [2]time.Duration
}

func (r result) identical() bool { return r.diff == "" && r.failure == "" }

func (r result) String() string {
	state := "identical"
	switch {
	case r.failure != "":
		state = "FAILED: " + r.failure
	case r.diff != "" && r.reason != "":
		state = "differs, understood: " + r.reason
	case r.diff != "":
		state = fmt.Sprintf("DIFFERS (%d lines)", changedLines(r.diff))
	}
	return fmt.Sprintf("%s: %s (%.1f s direct, %.1f s)", r.file, state, r.took[0].Seconds(), r.took[1].Seconds())
}

func changedLines(diff string) int { return strings.Count(changed(diff), "\n") }

// score is what came of a suite.
type score struct {
	suite, dir, version string
	lag, connections    int
	results             []result
	failures            []string // of what ran beside the files
	use                 *usage   // nil without a proxy
	elapsed             time.Duration
}

// count returns how many files ran, or how many files' reads, and how many of them were identical.
func (sc *score) count(again bool) (files, identical int) {
	for _, r := range sc.results {
		if r.again != again {
			continue
		}
		files++
		if r.identical() {
			identical++
		}
	}
	return files, identical
}

// unexplained are the files that fail the run, and what else does.
func (sc *score) unexplained() []string {
	bad := append([]string{}, sc.failures...)
	for _, r := range sc.results {
		if !r.identical() && (r.reason == "" || r.failure != "") {
			bad = append(bad, r.file)
		}
	}
	return bad
}

// honest fails for a score that was reached without replica or cache: it would say nothing. The isolation suite, whose files write
// all the time, says it of neither.
func (sc *score) honest() error {
	if sc.use == nil {
		return errors.New("nothing is known about what the proxy did")
	}
	if sc.suite == "regress" && (sc.use.replica == 0 || sc.use.cache == 0) {
		return fmt.Errorf("%s: %d statements ran on the replica and %d came from the cache: the score says nothing",
			sc.suite, sc.use.replica, sc.use.cache)
	}
	return nil
}

func (sc *score) print(w io.Writer) {
	files, identical := sc.count(false)
	again, identicalAgain := sc.count(true)
	fmt.Fprintf(w, "%s: %d of %d files identical, reads again %d of %d, %.0f s\n", sc.suite, identical, files, identicalAgain, again,
		sc.elapsed.Seconds())
	if sc.use != nil {
		fmt.Fprintf(w, "%s: %d statements on the primary, %d on the replica, %d from the cache; pins: %v\n",
			sc.suite, sc.use.primary, sc.use.replica, sc.use.cache, sc.use.pins)
	}
}
