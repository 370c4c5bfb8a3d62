package catalog

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	db := newTestDatabase(t, false)
	reg := prometheus.NewRegistry()
	c := New(Config{RefreshInterval: DefaultConfig().RefreshInterval, MaxDatabases: 2}, Deps{Connect: dial, Metrics: NewMetrics(reg)})
	require.NoError(t, c.Load(t.Context(), db))
	require.Error(t, c.Load(t.Context(), "no_such_database"))
	c.Resolve(db, selectFrom("nope"), "public", "u")

	families, err := reg.Gather()
	require.NoError(t, err)
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.Equal(t, map[string]float64{
		"aioproxy_catalog_loads_total ok": 1, "aioproxy_catalog_loads_total error": 1, "aioproxy_catalog_load_seconds": 2,
		"aioproxy_catalog_databases": 2, "aioproxy_catalog_unknown_total": 1,
	}, got)
}
