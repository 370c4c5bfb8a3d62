package router

import (
	"sync/atomic"
	"time"
)

// Router judges requests. It is safe for concurrent use.
type Router struct {
	plan       atomic.Pointer[plan]
	experience *experience
	refused    refusals
}

// New returns a router for a valid configuration.
func New(cfg Config) *Router {
	r := &Router{experience: newExperience(cfg.Experience)}
	r.plan.Store(newPlan(cfg))
	return r
}

// Swap replaces the configuration for the requests that follow. What was learnt stays; the size of its table too.
func (r *Router) Swap(cfg Config) {
	r.experience.tune(cfg.Experience)
	r.plan.Store(newPlan(cfg))
}

// Observe records how long the server took for a read with this fingerprint. Results from the cache are not to be told:
// they say nothing about the statement.
func (r *Router) Observe(fingerprint uint64, class Class, elapsed time.Duration, _ int64) {
	if fingerprint == 0 || (class != OLTP && class != OLAP) {
		return
	}
	r.experience.observe(fingerprint, elapsed)
}

// Experience returns what is known of a fingerprint, for explanations.
func (r *Router) Experience(fingerprint uint64) (Experience, bool) {
	return r.experience.get(fingerprint)
}

// Policy returns the policy of a class without rules.
func (r *Router) Policy(class Class) Policy { return r.plan.Load().policies[class] }

// Rule returns a rule of the configuration in force by the index in a Decision; false if a reload removed it.
func (r *Router) Rule(i int) (Rule, bool) {
	p := r.plan.Load()
	if i < 0 || i >= len(p.rules) {
		return Rule{}, false
	}
	return p.rules[i].Rule, true
}
