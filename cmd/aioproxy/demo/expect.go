package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// expectation says where a statement has to go. What is empty may be anything.
type expectation struct {
	class  []string // one of
	target string
	cache  []string // one of
}

// outcome is what SHOW aioproxy.last tells about the statement before it.
type outcome struct {
	class, target, node, reason, cache, cacheReason string
}

// why joins the reasons of the router and of the cache; a miss needs none.
func (o outcome) why() string {
	if o.cacheReason == "" || o.cacheReason == o.reason || o.cache == "miss" {
		return o.reason
	}
	return strings.TrimPrefix(o.reason+"; cache: "+o.cacheReason, "; ")
}

// deviations lists what differs, in words.
func (e expectation) deviations(got outcome) []string {
	var list []string
	differs := func(what, value string, want ...string) {
		if len(want) > 0 && !slices.Contains(want, value) {
			list = append(list, fmt.Sprintf("%s is %q, expected %s", what, value, alternatives(want)))
		}
	}
	differs("class", got.class, e.class...)
	if e.target != "" {
		differs("target", got.target, e.target)
	}
	differs("cache", got.cache, e.cache...)
	return list
}

func alternatives(want []string) string {
	quoted := make([]string, len(want))
	for i, w := range want {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, " or ")
}

// ErrDeviations is wrapped by the error of a check that failed.
var ErrDeviations = errors.New("the tour did not go as it should")

func verdict(deviations []string, say *console) error {
	if len(deviations) == 0 {
		say.line("check: every step went where it should, with the right answer")
		return nil
	}
	return fmt.Errorf("%w:\n  %s", ErrDeviations, strings.Join(deviations, "\n  "))
}
