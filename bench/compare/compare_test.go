package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const pgbenchSays = `pgbench (15.18)
transaction type: <builtin: select only>
number of transactions actually processed: 1234
number of failed transactions: 0 (0.000%)
latency average = 0.512 ms
initial connection time = 12.345 ms
tps = 31250.500000 (without initial connection time)
`

func TestWhatPgbenchSays(t *testing.T) {
	s, done, err := readPgbench(pgbenchSays)
	require.NoError(t, err)
	assert.Equal(t, 1234.0, done)
	assert.Equal(t, sample{perSecond: 31250.5, average: 0.512}, s)
	_, _, err = readPgbench(strings.Replace(pgbenchSays, "transactions: 0", "transactions: 7", 1))
	require.ErrorContains(t, err, "7 transactions failed")
	_, _, err = readPgbench("pgbench: error: connection refused")
	require.ErrorContains(t, err, "did not say")
	_, _, err = readPgbench(strings.Replace(pgbenchSays, "1234", "0", 1))
	require.Error(t, err)
}

func TestPercentileOfTheLogs(t *testing.T) {
	dir := t.TempDir()
	var a, b strings.Builder
	for i := 1; i <= 99; i++ {
		a.WriteString("0 1 1000 0 1700000000 1\n")
	}
	b.WriteString("1 1 50000 0 1700000000 1\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "t.1"), []byte(a.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "t.1.1"), []byte(b.String()), 0o600))
	p, err := logged99(dir)
	require.NoError(t, err)
	assert.Equal(t, 50.0, p)
	_, err = logged99(t.TempDir())
	require.Error(t, err)
}

func TestMediansAndRatios(t *testing.T) {
	r := results{row: &row{name: "x", against: "peer"}}
	for _, round := range [][2]float64{{10, 5}, {20, 30}, {40, 20}} {
		r.add("peer", sample{cpuPer: round[0]})
		r.add("ours", sample{cpuPer: round[1]})
	}
	mid, spread, ok := r.median("ours", cpuPer)
	require.True(t, ok)
	assert.Equal(t, 20.0, mid)
	assert.InDelta(t, 0.625, spread, 1e-9)
	q, ok := r.ratio("ours", cpuPer)
	require.True(t, ok)
	assert.Equal(t, 0.5, q, "of the quotients 0.5, 1.5 and 0.5")
	var b strings.Builder
	r.write(&b)
	assert.Contains(t, b.String(), "| ours | 20.0 ± 62 % | 0.50 |")
	_, _, ok = r.median("ours", p99)
	assert.False(t, ok)
}

func TestProcessorTimeIsThatOfTheTree(t *testing.T) {
	m, err := startMeter(os.Getpid())
	require.NoError(t, err)
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		continue // work
	}
	cpu, rss, err := m.stop()
	require.NoError(t, err)
	assert.Greater(t, cpu, 10*time.Millisecond)
	assert.Less(t, cpu, 10*time.Second)
	assert.Greater(t, rss, int64(1<<20))
	pids, err := tree(os.Getpid())
	require.NoError(t, err)
	assert.Contains(t, pids, os.Getpid())
}

func TestChoice(t *testing.T) {
	chosen, err := choose("TPC-B")
	require.NoError(t, err)
	assert.Len(t, chosen, 2)
	_, err = choose("no such row")
	require.ErrorContains(t, err, "--list")
	_, err = choose("(")
	require.Error(t, err)
	var out strings.Builder
	require.NoError(t, run(context.Background(), []string{"--list", "--rows", "COPY"}, &out))
	assert.Equal(t, "COPY TO of a million rows\nCOPY FROM of a million rows\n", out.String())
}
