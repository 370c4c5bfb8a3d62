package catalog

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what the catalog does. Its labels are closed sets.
type Metrics struct {
	loads     *prometheus.CounterVec
	seconds   prometheus.Histogram
	databases prometheus.Gauge
	unknown   prometheus.Counter
}

// NewMetrics registers the catalog's metrics; with a nil registerer they are counted and shown nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		loads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "aioproxy_catalog_loads_total", Help: "Loads of a database's catalog, by result.",
		}, []string{"result"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "aioproxy_catalog_load_seconds", Help: "Time that a load of a database's catalog took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 12),
		}),
		databases: f.NewGauge(prometheus.GaugeOpts{
			Name: "aioproxy_catalog_databases", Help: "Databases whose catalog is kept.",
		}),
		unknown: f.NewCounter(prometheus.CounterOpts{
			Name: "aioproxy_catalog_unknown_total", Help: "Texts resolved that name something the catalog does not have.",
		}),
	}
}

func (m *Metrics) loaded(elapsed time.Duration, err error) {
	m.seconds.Observe(elapsed.Seconds())
	if err != nil {
		m.loads.WithLabelValues("error").Inc()
		return
	}
	m.loads.WithLabelValues("ok").Inc()
}
