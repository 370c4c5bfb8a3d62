package backend

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the counters of the package. Gauges come from a Collector.
type Metrics struct {
	timeouts prometheus.Counter
	wait     prometheus.Histogram
	closed   [reasonCount]prometheus.Counter
	dials    [dialResults]prometheus.Observer
	cancel   [cancelResults]prometheus.Counter
}

// dialResult is a metric label.
type dialResult uint8

const (
	dialOK dialResult = iota
	dialRefused
	dialFailed
	dialResults
)

var dialResultNames = [dialResults]string{"ok", "refused_by_server", "failed"}

func (r dialResult) String() string { return dialResultNames[r] }

// cancelResult is a metric label.
type cancelResult uint8

const (
	cancelSent cancelResult = iota
	cancelFailed
	cancelResults
)

var cancelResultNames = [cancelResults]string{"sent", "failed"}

func (r cancelResult) String() string { return cancelResultNames[r] }

// NewMetrics registers the counters.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		timeouts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aioproxy_backend_acquire_timeouts_total", Help: "Clients that waited acquire_timeout for a server connection in vain.",
		}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aioproxy_backend_wait_seconds", Help: "Time that clients waited for a server connection, of those that had to.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}),
	}
	closed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aioproxy_backend_closed_total", Help: "Server connections closed, by reason.",
	}, []string{"reason"})
	for r := range reasonCount {
		m.closed[r] = closed.WithLabelValues(r.String())
	}
	dials := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "aioproxy_backend_dial_seconds", Help: "Time to connect and log in to a server, by result.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
	}, []string{"result"})
	for r := range dialResults {
		m.dials[r] = dials.WithLabelValues(r.String())
	}
	cancels := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aioproxy_backend_cancels_total", Help: "Cancel requests to servers, by result.",
	}, []string{"result"})
	for r := range cancelResults {
		m.cancel[r] = cancels.WithLabelValues(r.String())
	}
	reg.MustRegister(m.timeouts, m.wait, closed, dials, cancels)
	return m
}

func (m *Metrics) dialled(err error, took time.Duration) {
	result := dialOK
	var refused *ServerError
	switch {
	case errors.As(err, &refused):
		result = dialRefused
	case err != nil:
		result = dialFailed
	}
	m.dials[result].Observe(took.Seconds())
}

func (m *Metrics) cancelled(err error) {
	result := cancelSent
	if err != nil {
		result = cancelFailed
	}
	m.cancel[result].Inc()
}
