package proxy

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// Metrics counts what passes through sessions. Every label comes from a closed set.
type Metrics struct {
	queries   *prometheus.CounterVec
	durations *prometheus.HistogramVec
	hits      *prometheus.CounterVec
	misses    *prometheus.CounterVec
	decisions *prometheus.CounterVec
	verdicts  *prometheus.CounterVec
	sources   *prometheus.CounterVec
	retries   *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	logins    *prometheus.CounterVec
	pins      *prometheus.GaugeVec
	pinned    [pinReasons]prometheus.Gauge
	pinsBegun [pinReasons]prometheus.Counter
	sessions  prometheus.Counter
	keepers   prometheus.Counter
	fills     *prometheus.CounterVec
	cancels   *prometheus.CounterVec
	vanished  prometheus.Counter
	clients   prometheus.Gauge

	series struct {
		sync.RWMutex
		byKey map[seriesKey]series
	}
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		queries: counter("database_queries_total", "Requests with a statement, by class, where they ran and how they ended.", "class", "target", "status"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "database_query_duration_seconds", Help: "Time from a request's last byte to its answer's last byte.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 14),
		}, []string{"class", "target"}),
		hits:      counter("database_cache_hits_total", "Requests answered from the cache, by class and tier.", "class", "tier"),
		misses:    counter("database_cache_misses_total", "Requests that the cache could have answered and did not, by class and reason.", "class", "reason"),
		decisions: counter("aioproxy_router_decisions_total", "Decisions by class, target and reason.", "class", "target", "reason"),
		verdicts:  counter("aioproxy_cachepolicy_verdicts_total", "Verdicts of the cache policy by reason.", "reason"),
		sources:   counter("aioproxy_proxy_sources_total", "Searches for a replica by result.", "result"),
		retries:   counter("aioproxy_proxy_retries_total", "Reads run again on another node, by the kind of failure.", "cause"),
		refusals:  counter("aioproxy_proxy_refusals_total", "Requests that reached no server, by kind.", "kind"),
		logins:    counter("aioproxy_proxy_login_failures_total", "Logins that failed, by kind.", "kind"),
		fills:     counter("aioproxy_proxy_recorded_results_total", "Recorded results by what became of them.", "outcome"),
		cancels:   counter("aioproxy_proxy_cancel_requests_total", "Cancel requests by what became of them.", "outcome"),
		pins: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aioproxy_proxy_pinned_sessions", Help: "Sessions that keep their server connection, by reason.",
		}, []string{"reason"}),
		vanished: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aioproxy_proxy_vanished_clients_total", Help: "Clients that went away during a statement, which was then cancelled.",
		}),
		clients: prometheus.NewGauge(prometheus.GaugeOpts{Name: "aioproxy_proxy_clients", Help: "Client connections."}),
	}
	m.series.byKey = make(map[seriesKey]series)
	m.sessions = counter("aioproxy_proxy_sessions_total", "Clients that logged in, those of the console left out.").WithLabelValues()
	m.keepers = counter("aioproxy_proxy_sessions_pinned_total", "Sessions that were pinned at least once.").WithLabelValues()
	m.listPins(counter("aioproxy_proxy_pins_total", "Pins that began, by reason.", "reason"))
	reg.MustRegister(m.durations, m.pins, m.vanished, m.clients)
	return m
}

// listPins makes the series of every reason, so that one that never held reads 0.
func (m *Metrics) listPins(begun *prometheus.CounterVec) {
	for r := range pinReasons {
		m.pinned[r], m.pinsBegun[r] = m.pins.WithLabelValues(r.String()), begun.WithLabelValues(r.String())
	}
}

func (m *Metrics) pinBegan(r pinReason) {
	m.pinned[r].Inc()
	m.pinsBegun[r].Inc()
}

func (m *Metrics) pinEnded(r pinReason) { m.pinned[r].Dec() }

// kind groups SQLSTATEs by their class (documentation, appendix A), a closed set.
func kind(code string) string {
	switch {
	case code == "":
		return "connection_lost"
	case code == codeTooManyConnections:
		return "too_many_connections"
	case code == codeQueryCanceled:
		return "query_canceled"
	case len(code) >= 2 && code[:2] == "08":
		return "connection"
	case len(code) >= 2 && code[:2] == "28":
		return "authorization"
	case len(code) >= 2 && code[:2] == "57":
		return "operator_intervention"
	case len(code) >= 2 && code[:2] == "25":
		return "read_only"
	case len(code) >= 2 && code[:2] == "40":
		return "conflict"
	}
	return "other"
}

func (m *Metrics) refused(code string)     { m.refusals.WithLabelValues(kind(code)).Inc() }
func (m *Metrics) retried(code string)     { m.retries.WithLabelValues(kind(code)).Inc() }
func (m *Metrics) loginFailed(code string) { m.logins.WithLabelValues(kind(code)).Inc() }
func (m *Metrics) kept(o store.Outcome)    { m.fills.WithLabelValues(o.String()).Inc() }
func (m *Metrics) source(r cluster.Reason) { m.sources.WithLabelValues(r.String()).Inc() }

func (m *Metrics) verdict(r cachepolicy.Reason) { m.verdicts.WithLabelValues(r.String()).Inc() }

func (m *Metrics) hit(c router.Class, st store.Status) {
	m.hits.WithLabelValues(c.String(), st.String()).Inc()
}

func (m *Metrics) miss(c router.Class, st store.Status) {
	m.misses.WithLabelValues(c.String(), st.String()).Inc()
}

// measure counts a finished request and tells the router how long it took.
func (s *Session) measure() {
	elapsed := time.Since(s.started)
	s.last.elapsed = elapsed
	if s.rec != nil {
		s.keep(s.p.background, elapsed)
	}
	if len(s.req.facts) == 0 {
		return
	}
	l := &s.last
	status := "ok"
	if l.code != "" {
		status = "error"
	}
	s.p.metrics.request(l, status, len(s.req.facts))
	if s.decided.Read && l.code == "" && l.reason != router.Held && len(s.req.facts) == 1 {
		s.p.router.Observe(s.req.facts[0].Fingerprint, l.class, elapsed-l.wait, l.rows)
	}
}

// measureHit counts a request that a cached result answered.
func (s *Session) measureHit(e *store.Entry) {
	s.last.elapsed = time.Since(s.started)
	s.last.rows = e.RowCount
	s.p.metrics.request(&s.last, "ok", 1)
}

// series are the counters of one kind of request, looked up once.
type series struct {
	queries  prometheus.Counter
	duration prometheus.Observer
	decision prometheus.Counter
}

// seriesKey is a kind of request: all of it from closed sets, so that the map of series is bounded.
type seriesKey struct {
	class  router.Class
	target string
	reason router.Reason
	status string
}

// request counts a request of n statements that is over.
func (m *Metrics) request(l *lastStatement, status string, n int) {
	key := seriesKey{l.class, l.target, l.reason, status}
	m.series.RLock()
	c, ok := m.series.byKey[key]
	m.series.RUnlock()
	if !ok {
		class := l.class.String()
		c = series{
			queries:  m.queries.WithLabelValues(class, l.target, status),
			duration: m.durations.WithLabelValues(class, l.target),
			decision: m.decisions.WithLabelValues(class, l.target, l.reason.String()),
		}
		m.series.Lock()
		m.series.byKey[key] = c
		m.series.Unlock()
	}
	c.queries.Add(float64(n))
	c.duration.Observe(l.elapsed.Seconds())
	c.decision.Inc()
}

func (p *Proxy) address(s *Session) zap.Field { return zap.Stringer("client", s.wire.RemoteAddr()) }

func userField(user string) zap.Field         { return zap.String("user", user) }
func databaseField(database string) zap.Field { return zap.String("database", database) }
func codeField(code string) zap.Field         { return zap.String("sqlstate", code) }
func errorField(err error) zap.Field          { return zap.Error(err) }
