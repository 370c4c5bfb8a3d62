package router

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate tells everything that is wrong at once; each message names its key.
func (c Config) Validate() error {
	var errs []error
	if _, ok := ParseConsistency(c.Consistency); !ok {
		errs = append(errs, fmt.Errorf("consistency: %q is not a consistency; write global, session or eventual", c.Consistency))
	}
	for _, class := range Classes() {
		errs = append(errs, c.Classes.Get(class).validate("classes."+class.String()))
	}
	for i := range c.Rules {
		errs = append(errs, c.Rules[i].validate(fmt.Sprintf("rules[%d]", i)))
	}
	errs = append(errs, c.Shape.validate(), c.Experience.validate())
	return errors.Join(errs...)
}

func (c *ClassConfig) validate(key string) error {
	errs := []error{
		validRoute(key, c.Route, false),
		notNegative(key+".ttl", &c.TTL), notNegative(key+".time_ttl", &c.TimeTTL), notNegative(key+".query_timeout", &c.QueryTimeout),
		validSettings(key, c.Settings),
	}
	if c.MaxConcurrency < 0 {
		errs = append(errs, fmt.Errorf("%s.max_concurrency: %d is negative; write 0 for no limit", key, c.MaxConcurrency))
	}
	return errors.Join(errs...)
}

func (r *Rule) validate(key string) error {
	errs := []error{
		r.Match.validate(key + ".match"), validRoute(key, r.Route, true), validClass(key+".class", r.Class),
		notNegative(key+".ttl", r.TTL), notNegative(key+".time_ttl", r.TimeTTL), notNegative(key+".query_timeout", r.QueryTimeout),
		validSettings(key, r.Settings),
	}
	if _, ok := ParseConsistency(r.Consistency); r.Consistency != "" && !ok {
		errs = append(errs, fmt.Errorf("%s.consistency: %q is not a consistency; write global, session or eventual", key, r.Consistency))
	}
	return errors.Join(errs...)
}

func (m *Match) validate(key string) error {
	var errs []error
	if *m == (Match{}) {
		errs = append(errs, fmt.Errorf("%s: says nothing; write at least one of table, fingerprint, role, database, application "+
			`or class (database: "*" matches all)`, key))
	}
	if m.Fingerprint != "" {
		if _, err := parseFingerprint(m.Fingerprint); err != nil {
			errs = append(errs, fmt.Errorf("%s.fingerprint: %q is not a fingerprint; write up to 16 hexadecimal digits, in quotes, "+
				"as `aioproxy explain` shows them", key, m.Fingerprint))
		}
	}
	return errors.Join(append(errs, validClass(key+".class", m.Class))...)
}

func (c *ShapeConfig) validate() error {
	if c.SmallTableRows < 0 || c.AggregateRows < 0 || c.ScanRows < 0 {
		return errors.New("shape: numbers of rows cannot be negative; write 0 or more")
	}
	return nil
}

func (e *ExperienceConfig) validate() error {
	var errs []error
	if e.Slow <= 0 || e.Fast < 0 || e.Fast >= e.Slow {
		errs = append(errs, fmt.Errorf("experience: fast (%v) must be below slow (%v); write for example slow: 100ms, fast: 20ms",
			e.Fast, e.Slow))
	}
	if e.Calls < 1 {
		errs = append(errs, fmt.Errorf("experience.calls: %d is too few; write 1 or more", e.Calls))
	}
	if e.Entries < 0 {
		errs = append(errs, fmt.Errorf("experience.entries: %d is negative; write 0 to learn nothing", e.Entries))
	}
	return errors.Join(errs...)
}

func validRoute(key, route string, optional bool) error {
	if _, ok := parseTarget(route); ok || (optional && route == "") {
		return nil
	}
	return fmt.Errorf("%s.route: %q is not a route; write primary or replica", key, route)
}

func validClass(key, class string) error {
	if _, ok := ParseClass(class); ok || class == "" {
		return nil
	}
	return fmt.Errorf("%s: %q is not a class; write one of %s", key, class, strings.Join(classNames[:], ", "))
}

func notNegative(key string, d *time.Duration) error {
	if d == nil || *d >= 0 {
		return nil
	}
	return fmt.Errorf("%s: %v is negative; write 0s or more", key, *d)
}

func validSettings(key string, settings SettingsMap) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if why := refusedSetting(name); why != "" {
			errs = append(errs, fmt.Errorf("%s.settings.%s: %s", key, name, why))
		}
		if strings.ContainsRune(settings[name], 0) {
			errs = append(errs, fmt.Errorf("%s.settings.%s: the value contains a NUL character; write it without", key, name))
		}
	}
	return errors.Join(errs...)
}

func parseTarget(route string) (Target, bool) {
	for t, name := range targetNames {
		if name == route {
			return Target(t), true
		}
	}
	return 0, false
}

func parseFingerprint(text string) (uint64, error) {
	return strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
}
