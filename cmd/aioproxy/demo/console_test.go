package demo

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestTourTableIsAligned(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	c.tourHeader()
	c.tourRow("SELECT 1", "oltp", "primary", "bypass", "0.3 ms", "a read by key")
	c.tourRow("SELECT\n\t"+strings.Repeat("é", 80), "timeseries", "replica", "miss", "1234.5 ms", "time range")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 4)
	column := func(line, part string) int {
		before, _, found := strings.Cut(line, part)
		require.True(t, found, part)
		return utf8.RuneCountInString(before)
	}
	require.Equal(t, column(lines[0], "class"), column(lines[2], "oltp"))
	require.Equal(t, column(lines[0], "class"), column(lines[3], "timeseries"))
	require.Equal(t, column(lines[0], "why"), column(lines[2], "a read"))
	require.Equal(t, column(lines[0], "why"), column(lines[3], "time range"))
	require.Contains(t, lines[3], "é…")
}

func TestProgressOfAFile(t *testing.T) {
	var out bytes.Buffer
	p := newConsole(&out).progress("events", 1_000_000)
	for done := 50_000; done <= 1_000_000; done += 50_000 {
		p.at(done)
	}
	require.Equal(t, 4, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "250,000 of 1,000,000 rows")
	require.Contains(t, out.String(), "1,000,000 of 1,000,000 rows")
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, thousands(n))
	}
	require.Equal(t, "1.50 ms", milliseconds(1500*time.Microsecond))
}

func TestExpectation(t *testing.T) {
	e := expectation{class: []string{"olap", "timeseries"}, target: "cache", cache: []string{"hit"}}
	require.Empty(t, e.deviations(outcome{class: "timeseries", target: "cache", cache: "hit"}))
	require.Equal(t, []string{
		`class is "oltp", expected "olap" or "timeseries"`,
		`target is "replica", expected "cache"`,
		`cache is "miss", expected "hit"`,
	}, e.deviations(outcome{class: "oltp", target: "replica", cache: "miss"}))
	require.Empty(t, expectation{}.deviations(outcome{class: "x", target: "y", cache: "z"}))

	// An empty cache status is a status: a statement that the cache never looked at.
	e = expectation{class: []string{"oltp"}, target: "primary", cache: []string{"bypass", ""}}
	require.Empty(t, e.deviations(outcome{class: "oltp", target: "primary"}))
	require.Len(t, e.deviations(outcome{class: "oltp", target: "primary", cache: "hit"}), 1)
}

func TestWhy(t *testing.T) {
	require.Equal(t, "shape", outcome{reason: "shape"}.why())
	require.Equal(t, "shape; cache: volatile", outcome{reason: "shape", cacheReason: "volatile"}.why())
	require.Equal(t, "cache: volatile", outcome{cacheReason: "volatile"}.why())
}

func TestPlannedWorkers(t *testing.T) {
	plan := func(lines ...string) result {
		var r result
		for _, l := range lines {
			r.rows = append(r.rows, [][]byte{[]byte(l)})
		}
		return r
	}
	require.Equal(t, "3", plannedWorkers(plan("Finalize GroupAggregate", "  ->  Gather Merge", "        Workers Planned: 3")))
	require.Equal(t, "no", plannedWorkers(plan("Seq Scan on events")))
}

func TestNextFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	taken := l.Addr().String()
	got, err := nextFree(taken)
	require.NoError(t, err)
	require.NotEqual(t, taken, got)
	require.NoError(t, l.Close())
	got, err = nextFree(taken)
	require.NoError(t, err)
	require.Equal(t, taken, got)

	_, err = nextFree("6432")
	require.Error(t, err)
	_, err = nextFree("127.0.0.1:postgres")
	require.ErrorContains(t, err, "number")
}
