package instance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/aioproxy/aioproxy/router"
)

// ruleEffects shows every condition of a rule by what class it gives, and every attribute by its own effect. No rule applies
// first; those with a condition are also tried with one that does not hold.
func ruleEffects() []effect {
	facts, err := pgquery.New().Analyze(probe)
	if err != nil {
		panic(err)
	}
	var out []effect
	rule := func(key string, base change, see func(*testing.T, *front) string, was string, steps ...any) {
		tr := trial{keys: []string{"rules[]." + key}, base: base, see: see, steps: []step{{nil, was}}}
		for i := 0; i < len(steps); i += 2 {
			r, is := steps[i].(router.Rule), steps[i+1].(string)
			tr.steps = append(tr.steps, step{func(cfg *configs.Config) { cfg.Router.Rules = []router.Rule{r} }, is})
		}
		out = append(out, tr.effect("rules."+key))
	}
	match := func(key string, no, yes router.Match) {
		rule("match."+key, nil, seeClass, "oltp",
			router.Rule{Match: no, Class: "search"}, "oltp", router.Rule{Match: yes, Class: "search"}, "search")
	}
	match("table", router.Match{Table: "other"}, router.Match{Table: "items"})
	match("fingerprint", router.Match{Fingerprint: fmt.Sprintf("%016x", facts.Fingerprint+1)},
		router.Match{Fingerprint: fmt.Sprintf("%016x", facts.Fingerprint)})
	match("role", router.Match{Role: "report*"}, router.Match{Role: "post*"})
	match("database", router.Match{Database: keysDB + "2"}, router.Match{Database: keysDB})
	match("application", router.Match{Application: "metabase"}, router.Match{Application: "keys_app"})
	match("class", router.Match{Class: "olap"}, router.Match{Class: "oltp"})

	on := router.Match{Table: "*"}
	yes, short, hour := true, soon/8, time.Hour
	rule("class", nil, seeClass, "oltp", router.Rule{Match: on, Class: "timeseries"}, "timeseries")
	rule("route", olapOnPrimary, seeTarget, "primary", router.Rule{Match: on, Route: "replica"}, "replica")
	rule("cache", keepCheap, seeCache, "bypass", router.Rule{Match: on, Cache: &yes}, "hit")
	rule("ttl", keepAll, seeLifetime, "kept", router.Rule{Match: on, TTL: &short}, "expired")
	rule("time_ttl", keepAll, seeTimed, "bypass", router.Rule{Match: on, TimeTTL: &hour}, "hit")
	rule("consistency", olapOnReplica, seeAsked, "asked", router.Rule{Match: on, Consistency: "eventual"}, "not asked")
	rule("query_timeout", nil, seeBlockedRead, "waits", router.Rule{Match: on, QueryTimeout: &short}, "57014")
	rule("settings", nil, seePlanned, "not set",
		router.Rule{Match: router.Match{Database: keysDB}, Settings: router.SettingsMap{"work_mem": "77MB"}}, "77MB")
	return append(out, effect{"rules.order", []string{"rules[].match.table"}, showFirstRule})
}

func olapOnPrimary(cfg *configs.Config) { cfg.Cluster.ReplicaWait = 2 * time.Second }

func keepCheap(cfg *configs.Config) { cfg.Cache.MinCost = 0 }

// showFirstRule: for every attribute the first rule wins that matches and has it.
func showFirstRule(t *testing.T) {
	f := start(t, bed, func(cfg *configs.Config) {
		cfg.Cluster.ReplicaWait = 2 * time.Second
		cfg.Router.Rules = []router.Rule{
			{Match: router.Match{Table: "items"}, Class: "search"},
			{Match: router.Match{Database: "*"}, Class: "olap", Route: "primary"},
		}
	})
	_, h := one(t, client(t, f), unique(probe))
	require.Equal(t, "search", h.class)
	require.Equal(t, "primary", h.target)
}
