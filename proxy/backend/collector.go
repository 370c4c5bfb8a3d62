package backend

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// maxDatabases bounds the values of the label "database": the most used ones; the others together are __other__.
const maxDatabases = 100

const otherDatabases = "__other__"

// Collector offers the gauges of all pools, the users of a database added up.
type Collector struct {
	pools                        *Pools
	size, active, waiting, limit *prometheus.Desc
}

// NewCollector returns a collector to be registered.
func NewCollector(pools *Pools) *Collector {
	labels := []string{"database", "node"}
	return &Collector{
		pools:   pools,
		size:    prometheus.NewDesc("database_connection_pool_size", "Open server connections.", labels, nil),
		active:  prometheus.NewDesc("database_active_connections", "Server connections that are lent to a session.", labels, nil),
		waiting: prometheus.NewDesc("aioproxy_backend_waiting_clients", "Clients that wait for a server connection.", labels, nil),
		limit:   prometheus.NewDesc("aioproxy_backend_max_connections", "Server connections that the pools in use may open.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.size, c.active, c.waiting, c.limit} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	for at, s := range gauges(c.pools.Stats()) {
		for _, g := range []struct {
			desc  *prometheus.Desc
			value int
		}{{c.size, s.Open()}, {c.active, s.Active}, {c.waiting, s.Waiting}, {c.limit, s.MaxConnections}} {
			out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(g.value), at.database, at.node)
		}
	}
}

type place struct{ database, node string }

func gauges(stats []Stat) map[place]Stat {
	named := mostUsed(stats)
	sums := map[place]Stat{}
	for _, s := range stats {
		at := place{otherDatabases, s.Node}
		if named[s.Database] {
			at.database = s.Database
		}
		sum := sums[at]
		sum.Active += s.Active
		sum.Idle += s.Idle
		sum.Waiting += s.Waiting
		sum.MaxConnections += s.MaxConnections
		sums[at] = sum
	}
	return sums
}

// mostUsed returns the databases that have a label of their own.
func mostUsed(stats []Stat) map[string]bool {
	uses := map[string]uint64{}
	for _, s := range stats {
		uses[s.Database] += s.Acquires
	}
	names := make([]string, 0, len(uses))
	for name := range uses {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(uses[b], uses[a]), cmp.Compare(a, b))
	})
	named := map[string]bool{}
	for _, name := range names[:min(len(names), maxDatabases)] {
		named[name] = true
	}
	return named
}
