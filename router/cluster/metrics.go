package cluster

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the nodes. The label node is an address of the configuration.
type Metrics struct {
	nodeUp    *prometheus.GaugeVec
	lag       *prometheus.GaugeVec
	questions *prometheus.CounterVec
	answers   *prometheus.CounterVec
	sources   *prometheus.CounterVec
	waited    prometheus.Histogram
}

// NewMetrics registers the metrics of this room.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		nodeUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aioproxy_cluster_node_up",
			Help: "1 if the node answered its last check.",
		}, []string{"node"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aioproxy_cluster_replica_lag_seconds",
			Help: "How long ago the primary was at the position that the replica has replayed.",
		}, []string{"node"}),
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aioproxy_cluster_position_questions_total",
			Help: "Questions for a log position sent to a node.",
		}, []string{"role"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aioproxy_cluster_position_answers_total",
			Help: "Callers that got a log position; several share one question.",
		}, []string{"role"}),
		sources: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aioproxy_cluster_sources_total",
			Help: "Reads that asked for a replica, by what they got.",
		}, []string{"reason"}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aioproxy_cluster_source_wait_seconds",
			Help: "Time until a read knew its source.", Buckets: prometheus.ExponentialBuckets(0.000025, 4, 9),
		}),
	}
	reg.MustRegister(m.nodeUp, m.lag, m.questions, m.answers, m.sources, m.waited)
	return m
}

func (m *Metrics) show(s *Snapshot) {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		up := 0.0
		if n.Up {
			up = 1
		}
		m.nodeUp.WithLabelValues(n.Addr).Set(up)
		if n.Role == RoleReplica && n.Up {
			m.lag.WithLabelValues(n.Addr).Set(n.Lag.Seconds())
		} else {
			m.lag.DeleteLabelValues(n.Addr)
		}
	}
}
