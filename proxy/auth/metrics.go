package auth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the logins of clients.
type Metrics struct {
	logins *prometheus.CounterVec
}

// NewMetrics registers the room's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{logins: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aioproxy_auth_logins_total",
		Help: "Logins of clients by method and result (ok, gone, or the reason of the refusal).",
	}, []string{"method", "result"})}
	reg.MustRegister(m.logins)
	return m
}

func (m *Metrics) attempt(method Method, err error) {
	if m == nil {
		return
	}
	result := "gone" // the client, or its time
	var refused *Error
	switch {
	case err == nil:
		result = "ok"
	case errors.As(err, &refused):
		result = refused.Reason.String()
	}
	m.logins.WithLabelValues(string(method), result).Inc()
}
