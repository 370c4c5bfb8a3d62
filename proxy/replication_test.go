package proxy

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// Values as parse_bool of PostgreSQL takes them (bool.c), and what the parameter takes beside them.
func TestReplicationParameter(t *testing.T) {
	type answer struct {
		asked, physical, refused bool
	}
	physical, logical, ordinary, refused := answer{asked: true, physical: true}, answer{asked: true}, answer{}, answer{refused: true}
	for value, want := range map[string]answer{
		"true": physical, "T": physical, "tr": physical, "on": physical, "ON": physical, "1": physical, "yes": physical, "y": physical,
		"database": logical,
		"false":    ordinary, "f": ordinary, "off": ordinary, "of": ordinary, "0": ordinary, "no": ordinary, "n": ordinary,
		"": refused, "o": refused, "2": refused, "10": refused, "truer": refused, "Database": refused, "data": refused,
	} {
		packet := &pgwire.Startup{Code: pgwire.Version30, Params: []pgwire.Param{
			{Name: "user", Value: "u"}, {Name: "options", Value: "-c a=b"}, {Name: "replication", Value: value}, {Name: "database", Value: "d"},
		}}
		r, err := replicationOf(packet)
		require.Equal(t, want.refused, err != nil, value)
		require.Equal(t, want.asked, r != nil, value)
		if r != nil {
			require.Equal(t, want.physical, r.physical, value)
			require.Equal(t, [][2]string{{"options", "-c a=b"}, {"replication", value}}, r.parameters)
		}
	}
}

// However a stream of messages is cut, its ends are found.
func TestFramesOfATunnel(t *testing.T) {
	var stream []byte
	var ends []int
	for _, m := range [][]byte{
		pgwire.AppendParseComplete(nil), pgwire.AppendParameterStatus(nil, "name", "value"),
		{'W', 0, 0, 0, 7, 0, 0, 0},
		{'d', 0, 0, 0, 6, 'w', 0},
		{'c', 0, 0, 0, 4},
		pgwire.AppendReadyForQuery(nil, 'I'),
	} {
		stream = append(stream, m...)
		ends = append(ends, len(stream))
	}
	for size := 1; size <= len(stream); size++ {
		var f frames
		for at := 0; at < len(stream); at += size {
			end := min(at+size, len(stream))
			f.pass(stream[at:end])
			require.Equal(t, slices.Contains(ends, end), f.between(), "byte %d in pieces of %d", end, size)
			require.Equal(t, end >= ends[2] && end < ends[4], f.streaming.Load())
		}
		require.Equal(t, byte('Z'), f.last)
	}
	var f frames
	f.pass([]byte{'Z', 0, 0, 0, 0, 'x'})
	f.pass(stream)
	require.False(t, f.between(), "what is no message has no end")
}
