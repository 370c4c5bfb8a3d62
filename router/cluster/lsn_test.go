package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLSN(t *testing.T) {
	l, err := ParseLSN("16/B374D848")
	require.NoError(t, err)
	require.Equal(t, LSN(0x16B374D848), l)
	require.Equal(t, "16/B374D848", l.String())
	for _, bad := range []string{"", "/", "16", "16/", "G/1", "1/100000000", "-1/0"} {
		_, err := ParseLSN(bad)
		require.Error(t, err, bad)
	}
}

func TestNormalizeStepsBackOverPageHeaders(t *testing.T) {
	const page, segment = 8192, 16 << 20
	for _, c := range []struct{ in, want LSN }{
		{5*segment + 3*page + 24, 5*segment + 3*page},
		{5*segment + 40, 5 * segment},
		{5*segment + 24, 5*segment + 24}, // the first page of a segment has the long header
		{5*segment + 3*page + 40, 5*segment + 3*page + 40},
		{5*segment + 3*page, 5*segment + 3*page},
		{5*segment + 3*page + 32, 5*segment + 3*page + 32},
		{0, 0},
	} {
		require.Equal(t, c.want, normalize(c.in, page, segment), "%v", c.in)
	}
	require.Equal(t, LSN(page+24), normalize(page+24, 0, 0), "sizes unknown")
}

func TestPositionsOfDifferentTimelinesDoNotCompare(t *testing.T) {
	at := Position{Timeline: 2, LSN: 100}
	require.True(t, at.Covers(Position{}))
	require.True(t, at.Covers(Position{2, 100}))
	require.False(t, at.Covers(Position{2, 101}))
	require.False(t, at.Covers(Position{1, 50}))
	require.False(t, at.Covers(Position{3, 50}))
}
