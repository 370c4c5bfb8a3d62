package router

import (
	"testing"

	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/stretchr/testify/require"
)

func TestWhatAReplicaRefusedGoesToThePrimary(t *testing.T) {
	r := New(DefaultConfig())
	in := inputFor(t, "SELECT country, count(*) FROM users GROUP BY country", "rows=20000")
	require.Equal(t, Replica, r.Route(in).Target)
	r.Refused(in.Facts[0].Fingerprint)
	d := r.Route(in)
	require.Equal(t, []any{OLAP, Primary, ReplicaRefused, false}, []any{d.Class, d.Target, d.Reason, d.Read})

	in.Facts = append(in.Facts, factsOf(t, "SELECT 1"))
	in.Names = append(in.Names, &catalog.Resolution{})
	require.Equal(t, ReplicaRefused, r.Route(in).Reason, "in company too")
	r.Refused(0)
	require.False(t, r.refused.has(0))
}

func TestRefusalsAreBounded(t *testing.T) {
	var r refusals
	for i := range uint64(3 * refusedLimit) {
		r.add(i + 1)
	}
	require.LessOrEqual(t, len(r.mu.fingerprints), refusedLimit)
	require.True(t, r.has(3*refusedLimit))
}
