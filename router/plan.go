package router

import "strings"

// plan is a configuration prepared for deciding: nothing in it is parsed, merged or allocated per request.
type plan struct {
	consistency Consistency
	shape       ShapeConfig
	routes      [classCount]Target
	policies    [classCount]Policy
	rules       []rule
}

// rule is a Rule with its texts understood.
type rule struct {
	Rule
	schema, table  string
	fingerprint    uint64
	matchClass     Class
	class          Class
	route          Target
	consistency    Consistency
	settingsByBase [classCount][]Setting // the rule's settings over those of each class
}

func newPlan(cfg Config) *plan {
	p := &plan{shape: cfg.Shape, rules: make([]rule, len(cfg.Rules))}
	p.consistency, _ = ParseConsistency(cfg.Consistency)
	for _, class := range Classes() {
		c := cfg.Classes.Get(class)
		p.routes[class], _ = parseTarget(c.Route)
		p.policies[class] = Policy{
			Cache: c.Cache, TTL: c.TTL, TimeTTL: c.TimeTTL, QueryTimeout: c.QueryTimeout,
			MaxConcurrency: c.MaxConcurrency, Settings: sortedSettings(c.Settings, nil),
		}
	}
	for i, r := range cfg.Rules {
		p.rules[i] = newRule(r, &cfg.Classes)
	}
	return p
}

// newRule expects a rule that passed Validate: texts that mean nothing are zero and never looked at, because the code that
// uses them asks whether the text is empty first.
func newRule(r Rule, classes *ClassesConfig) rule {
	out := rule{Rule: r, table: r.Match.Table}
	if schema, table, ok := strings.Cut(r.Match.Table, "."); ok {
		out.schema, out.table = schema, table
	}
	out.fingerprint, _ = parseFingerprint(r.Match.Fingerprint)
	out.matchClass, _ = ParseClass(r.Match.Class)
	out.class, _ = ParseClass(r.Class)
	out.route, _ = parseTarget(r.Route)
	out.consistency, _ = ParseConsistency(r.Consistency)
	if len(r.Settings) > 0 {
		for _, class := range Classes() {
			out.settingsByBase[class] = sortedSettings(classes.Get(class).Settings, r.Settings)
		}
	}
	return out
}
