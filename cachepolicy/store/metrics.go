package store

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// flightResult says how waiting for an equal query ended.
type flightResult string

const (
	flightShared    flightResult = "shared"
	flightEmpty     flightResult = "empty" // the leader had no result
	flightVoid      flightResult = "void"
	flightTimeout   flightResult = "timeout"
	flightCancelled flightResult = "cancelled"
)

// operation names what Redis was asked for.
type operation string

const (
	opGet        operation = "get"
	opFence      operation = "fence"
	opPut        operation = "put"
	opInvalidate operation = "invalidate"
	opSubscribe  operation = "subscribe"
	opProbe      operation = "probe"
	opDelete     operation = "delete"
)

// origin says who made an invalidation.
type origin string

const (
	originHere  origin = "here"  // a write through this instance
	originThere origin = "there" // heard from another instance
	originLost  origin = "lost"  // everything, because something may have been missed
	originClear origin = "clear"
)

// Metrics counts what the store does. One Metrics belongs to one Store.
type Metrics struct {
	lookups       [numStatuses]prometheus.Counter // a hit costs one addition
	fills         *prometheus.CounterVec
	flights       *prometheus.CounterVec
	invalidations *prometheus.CounterVec
	redisErrors   *prometheus.CounterVec
	rubbish       prometheus.Counter
	evictions     prometheus.Counter

	stats atomic.Pointer[func() Stats]
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "aioproxy_store_" + name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "aioproxy_store_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		fills:         vec("fills_total", "Results offered to the store by what became of them.", "outcome"),
		flights:       vec("flights_total", "Queries that waited for an equal running one, by how that ended.", "result"),
		invalidations: vec("invalidations_total", "Invalidations by who made them.", "origin"),
		redisErrors:   vec("redis_errors_total", "Failed or timed out operations on Redis.", "operation"),
		rubbish:       counter("rubbish_total", "Values in Redis that are not entries. They are deleted."),
		evictions:     counter("evictions_total", "Entries that left the in-process tier for lack of room."),
	}
	lookups := vec("lookups_total", "Lookups by what they came to.", "status")
	for i := range m.lookups {
		m.lookups[i] = lookups.WithLabelValues(Status(i).String())
	}
	m.gauges(reg)
	return m
}

func (m *Metrics) gauges(reg prometheus.Registerer) {
	gauge := func(name, help string, value func(Stats) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aioproxy_store_" + name, Help: help}, func() float64 {
			if stats := m.stats.Load(); stats != nil {
				return value((*stats)())
			}
			return 0
		}))
	}
	gauge("memory_entries", "Entries in the in-process tier.", func(s Stats) float64 { return float64(s.Entries) })
	gauge("memory_bytes", "Memory of the in-process tier.", func(s Stats) float64 { return float64(s.Bytes) })
	gauge("memory_usable", "1 if the in-process tier hears of all writes.", func(s Stats) float64 { return truth(s.MemoryUsable) })
	gauge("redis_usable", "1 if Redis is configured, reached and trusted.", func(s Stats) float64 { return truth(s.RedisUsable) })
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *Metrics) lookup(s Status)         { m.lookups[s].Inc() }
func (m *Metrics) fill(o Outcome)          { m.fills.WithLabelValues(o.String()).Inc() }
func (m *Metrics) flight(r flightResult)   { m.flights.WithLabelValues(string(r)).Inc() }
func (m *Metrics) invalidation(o origin)   { m.invalidations.WithLabelValues(string(o)).Inc() }
func (m *Metrics) redisError(op operation) { m.redisErrors.WithLabelValues(string(op)).Inc() }
