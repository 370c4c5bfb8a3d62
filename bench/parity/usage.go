package main

import (
	"context"

	dto "github.com/prometheus/client_model/go"
)

// usage is what the proxy says that it did.
type usage struct {
	primary, replica, cache int // statements by where they were answered
	pins                    map[string]int
}

// usage reads the proxy's own counters.
func (p *aioproxy) usage(ctx context.Context) (*usage, error) {
	families, err := p.families(ctx)
	if err != nil {
		return nil, err
	}
	targets := sum(families["database_queries_total"], "target")
	u := &usage{primary: targets["primary"], replica: targets["replica"], pins: sum(families["aioproxy_proxy_pins_total"], "reason")}
	for _, n := range sum(families["database_cache_hits_total"], "tier") {
		u.cache += n
	}
	return u, nil
}

// sum adds up a counter by one of its labels.
func sum(family *dto.MetricFamily, label string) map[string]int {
	sums := map[string]int{}
	for _, m := range family.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				sums[l.GetValue()] += int(m.GetCounter().GetValue())
			}
		}
	}
	return sums
}
