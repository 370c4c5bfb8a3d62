package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLagIsTheTimeSinceThePrimaryWasThere(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	var h history
	for s, lsn := range []LSN{100, 100, 100, 200, 300, 300} {
		h.add(Position{1, lsn}, at(s))
	}
	for _, c := range []struct {
		name     string
		replayed LSN
		age      time.Duration
		want     time.Duration
		known    bool
	}{
		{"at the end", 300, 0, 0, true},
		{"past the end", 301, 0, 0, true},
		{"idle primary does not count", 300, time.Hour, 0, true},
		{"between two samples", 250, 0, 2 * time.Second, true},
		{"at a position that lasted", 100, 0, 3 * time.Second, true},
		{"before all samples", 50, time.Minute, time.Minute, true},
		{"before all samples, replayed recently", 50, time.Second, 3 * time.Second, true},
		{"before all samples, nothing known", 50, -1, 0, false},
	} {
		lag, known := h.lag(c.replayed, at(5), c.age)
		require.Equal(t, c.known, known, c.name)
		require.Equal(t, c.want, lag, c.name)
	}
}

func TestHistoryIsBoundedAndForgetsOtherTimelines(t *testing.T) {
	var h history
	for i := range 3 * maxHistory {
		h.add(Position{1, LSN(i)}, time.Unix(int64(i), 0))
	}
	require.LessOrEqual(t, len(h.samples), maxHistory)
	lag, known := h.lag(3*maxHistory-11, time.Unix(3*maxHistory-1, 0), -1)
	require.True(t, known)
	require.Equal(t, 10*time.Second, lag)

	h.add(Position{2, 7}, time.Unix(0, 0))
	require.Len(t, h.samples, 1)
}
