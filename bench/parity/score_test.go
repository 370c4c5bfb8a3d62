package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/report"
)

func compareTexts(t *testing.T, dir, direct, through string) string {
	t.Helper()
	diff, err := difference(t.Context(), dir, "f", []byte(direct), []byte(through))
	require.NoError(t, err)
	return diff
}

func TestDifference(t *testing.T) {
	dir := t.TempDir()
	require.Empty(t, compareTexts(t, dir, "a\nb\n", "a\nb\n"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "what is identical is not kept")

	diff := compareTexts(t, dir, "a\n- b\nc\x00\n", "a\n++ x\nc\x00\nd\n")
	require.Equal(t, "-- b\n+++ x\n+d\n", changed(diff))
	require.Equal(t, 3, changedLines(diff))
	kept, err := os.ReadFile(filepath.Join(dir, "f.diff"))
	require.NoError(t, err)
	require.Equal(t, diff, string(kept))
}

func TestOnlyProcessesAndPlacesAreNormalized(t *testing.T) {
	for text, want := range map[string]string{
		`Asynchronous notification "c" received from server process with PID 4711.`: `Asynchronous notification "c" received from server process with PID NNN.`,
		`DETAIL:  Process 12 waits for ShareLock; blocked by process 13.`:           `DETAIL:  Process NNN waits for ShareLock; blocked by process NNN.`,
		`connection to server at "127.0.0.1", port 5433 failed: FATAL:  no`:         `connection to server at "127.0.0.1", port NNN failed: FATAL:  no`,
		` pid | 4711`: ` pid | 4711`,
		`(42 rows)`:   `(42 rows)`,
	} {
		require.Equal(t, want, replaceIDs(text), text)
	}
}

func replaceIDs(text string) string {
	return string(address.ReplaceAll(processID.ReplaceAll([]byte(text), []byte("$1 NNN")), []byte("$1 NNN")))
}

func TestUnderstoodIsExact(t *testing.T) {
	diff := compareTexts(t, t.TempDir(), "a\nb\n", "a\nc\n")
	defer func(was []divergence) { divergences = was }(divergences)
	divergences = []divergence{{suite: "regress", file: "f", diff: "-b\n+c\n", reason: "because"}}
	require.Equal(t, "because", understood("regress", "f", diff))
	require.Empty(t, understood("regress", "g", diff))
	require.Empty(t, understood("isolation", "f", diff))
	require.Empty(t, understood("regress", "f", ""), "what does not differ needs no reason")
	require.Empty(t, understood("regress", "f", compareTexts(t, t.TempDir(), "a\nb\n", "a\nd\n")), "another difference")
}

func TestDivergencesHaveReasons(t *testing.T) {
	for _, d := range divergences {
		require.NotEmpty(t, d.reason, d.file)
		require.NotEmpty(t, d.diff, d.file)
		require.Contains(t, []string{"regress", "isolation"}, d.suite, d.file)
	}
}

func TestScore(t *testing.T) {
	sc := &score{suite: "regress", dir: "out", version: "15.1", lag: 200, connections: 4, use: &usage{primary: 7, replica: 2, cache: 1}}
	sc.results = []result{{file: "a"}, {file: "b", diff: "-x\n", reason: "known"}}
	files, identical := sc.count(false)
	require.Equal(t, []int{2, 1}, []int{files, identical})
	require.Empty(t, sc.unexplained())
	require.NoError(t, verdict(options{}, []*score{sc}))

	sc.results = append(sc.results, result{file: "c", diff: "-x\n"}, result{file: "d", failure: "late"},
		result{file: "e", diff: "-x\n", reason: "known", failure: "late"})
	require.Equal(t, []string{"c", "d", "e"}, sc.unexplained())
	require.ErrorContains(t, verdict(options{}, []*score{sc}), "3 of 5 files differ, see out: c d e")

	sc.results = append(sc.results, result{file: "a.again", again: true})
	text := document([]*score{sc})
	require.Contains(t, text, "| regress | 5 | 1 | 1 | 1 | 4 | 7 | 2 | 1 |")
	require.Contains(t, text, "- regress, `b`: known\n")
	require.Contains(t, text, "- regress, `c`: **not understood yet**\n")
}

func TestAScoreWithoutReplicaSaysNothing(t *testing.T) {
	sc := &score{suite: "regress", results: []result{{file: "a"}}, use: &usage{primary: 7, cache: 1}}
	require.ErrorContains(t, verdict(options{}, []*score{sc}), "says nothing")
	sc.use = &usage{primary: 7, replica: 1}
	require.ErrorContains(t, verdict(options{}, []*score{sc}), "says nothing")
	sc.use.cache = 1
	require.NoError(t, verdict(options{}, []*score{sc}))
	sc.failures = []string{"another session: role is changed"}
	require.ErrorContains(t, verdict(options{}, []*score{sc}), "role is changed")
}

func TestTheDocumentHasAPlaceForTheScores(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "COMPATIBILITY.md"))
	require.NoError(t, err)
	_, err = report.Replace(string(page), section, "x")
	require.NoError(t, err)
}

func TestExecute(t *testing.T) {
	stdin := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.WriteFile(stdin, []byte("echo out; echo err >&2; exit 3\n"), 0o600))
	p, err := execute(t.Context(), job{args: []string{"sh"}, stdin: stdin, limit: time.Minute})
	require.NoError(t, err)
	require.Equal(t, printed{text: []byte("out\nerr\n"), exit: 3}, p)

	asked := false
	require.NoError(t, os.WriteFile(stdin, []byte("echo begun; sleep 1000\n"), 0o600))
	p, err = execute(t.Context(), job{args: []string{"sh"}, stdin: stdin, limit: 200 * time.Millisecond, onLate: func() { asked = true }})
	require.NoError(t, err)
	require.True(t, p.late)
	require.True(t, asked, "who waits for what has to be asked before the end")
	require.Equal(t, "begun\n", string(p.text))

	_, err = execute(t.Context(), job{args: []string{"no-such-program"}, stdin: stdin, limit: time.Minute})
	require.ErrorContains(t, err, "no-such-program")
}

func TestPartsAreInTheOrderOfNothingTwice(t *testing.T) {
	for _, part := range [][]string{regressPart, isolationPart} {
		seen := map[string]bool{}
		for _, f := range part {
			require.False(t, seen[f], "%s is there twice", f)
			seen[f] = true
			require.Equal(t, strings.TrimSpace(f), f)
		}
	}
}

func TestChoose(t *testing.T) {
	s := &suite{name: "s", files: []string{"test_setup", "a", "b", "c"}, part: []string{"c", "test_setup"}, first: []string{"test_setup"}}
	for _, c := range []struct {
		opt  options
		want []string
	}{
		{options{}, []string{"test_setup", "a", "b", "c"}},
		{options{ci: true}, []string{"test_setup", "c"}},
		{options{files: []string{"b"}}, []string{"test_setup", "b"}},
		{options{files: []string{"of another suite"}}, nil},
	} {
		chosen := *s
		chosen.choose(c.opt)
		require.Equal(t, c.want, chosen.files)
	}
}
