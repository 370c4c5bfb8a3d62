package backend

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// gathered returns gauges and counters by name and label values.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue() +
				float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func TestCollector(t *testing.T) {
	srv := &fakeServer{}
	ps := newPools(t, testConfig(nil), srv.dial)
	other := Key{Node: testKey.Node, Database: testKey.Database, User: "second"}
	a, b := lease(t, ps.Pool(testKey), Empty), lease(t, ps.Pool(other), Empty)
	ps.Release(b, true)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(NewCollector(ps))
	assert.Equal(t, map[string]float64{
		"database_active_connections{d,n1:5432}":      1,
		"database_connection_pool_size{d,n1:5432}":    2,
		"aioproxy_backend_waiting_clients{d,n1:5432}": 0,
		"aioproxy_backend_max_connections{d,n1:5432}": 40,
	}, gathered(t, reg))
	stats := ps.Stats()
	require.Len(t, stats, 2)
	assert.Equal(t, "second", stats[0].User)
	ps.Release(a, true)
}

func TestDatabasesAreBounded(t *testing.T) {
	var stats []Stat
	for i := range 3 * maxDatabases {
		stats = append(stats, Stat{Key: Key{Node: "n", Database: fmt.Sprint(i)}, Active: 1, Acquires: uint64(i)})
	}
	sums := gauges(stats)
	assert.Len(t, sums, maxDatabases+1)
	assert.Equal(t, 2*maxDatabases, sums[place{otherDatabases, "n"}].Active)
	assert.Contains(t, sums, place{fmt.Sprint(3*maxDatabases - 1), "n"}, "the most used has its name")
}

func TestCounters(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	srv := &fakeServer{}
	ps := New(testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 1, time.Millisecond }),
		Deps{Log: zap.NewNop(), Metrics: m, Dial: srv.dial})
	c, err := ps.Acquire(t.Context(), testKey, nil, Empty)
	require.NoError(t, err)
	_, err = ps.Acquire(t.Context(), testKey, nil, Empty)
	require.ErrorIs(t, err, ErrTimeout)
	ps.Release(c, false)
	for _, fail := range []error{errRefused, &ServerError{}} {
		srv.failWith(fail)
		_, err = ps.Acquire(t.Context(), testKey, nil, Empty)
		require.ErrorIs(t, err, fail)
	}
	m.cancelled(nil)
	m.cancelled(errRefused)
	got := gathered(t, reg)
	for _, name := range []string{
		"aioproxy_backend_closed_total{released}", "aioproxy_backend_acquire_timeouts_total{}", "aioproxy_backend_wait_seconds{}",
		"aioproxy_backend_dial_seconds{ok}", "aioproxy_backend_dial_seconds{failed}", "aioproxy_backend_dial_seconds{refused_by_server}",
		"aioproxy_backend_cancels_total{sent}", "aioproxy_backend_cancels_total{failed}",
	} {
		assert.InDelta(t, 1, got[name], 0, name)
	}
}

func TestConfigSaysWhatToWrite(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	for key, change := range map[string]func(*Config){
		"max_connections":         func(c *Config) { c.MaxConnections = 0 },
		"min_connections":         func(c *Config) { c.MinConnections = 21 },
		"max_prepared_statements": func(c *Config) { c.MaxPreparedStatements = 0 },
		"connect_timeout":         func(c *Config) { c.ConnectTimeout = 0 },
		"acquire_timeout":         func(c *Config) { c.AcquireTimeout = -1 },
		"idle_timeout":            func(c *Config) { c.IdleTimeout = -1 },
		"max_lifetime":            func(c *Config) { c.MaxLifetime = -1 },
	} {
		err := testConfig(change).Validate()
		require.ErrorContains(t, err, "pool."+key)
		assert.ErrorContains(t, err, "write ")
	}
}

func TestServerErrorFields(t *testing.T) {
	e := NewServerError([]byte("SFATAL\x00VFATAL\x00C3D000\x00Mno such\x00\x00"))
	assert.Equal(t, "server: FATAL: no such (SQLSTATE 3D000)", e.Error())
	assert.False(t, NewServerError(nil).Final())
	assert.Equal(t, "FATAL", NewServerError([]byte("SFATAL\x00\x00")).Severity)
	assert.False(t, errors.Is(e, ErrTimeout))
}

func TestNamesOfClosedSets(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasonCount {
		assert.NotEmpty(t, r.String())
		assert.False(t, seen[r.String()], r)
		seen[r.String()] = true
	}
	for s := range connStates {
		assert.NotEmpty(t, s.String())
	}
}
