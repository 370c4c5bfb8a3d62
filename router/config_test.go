package router

import (
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

func TestDefaultsAreValid(t *testing.T) {
	cfg := DefaultConfig()
	require.NoError(t, cfg.Validate())
	r := New(cfg)
	require.Equal(t, Policy{Cache: true, TTL: 5 * time.Minute, Settings: []Setting{{"max_parallel_workers_per_gather", "4"}}}, r.Policy(OLAP))
	require.Equal(t, r.Policy(OLAP), r.Policy(TimeSeries))
	require.False(t, r.Policy(OLTP).Cache)
	require.Empty(t, r.Policy(Session).Settings)
}

func TestAFileIsLaidOverTheDefaultsKeyByKey(t *testing.T) {
	cfg := DefaultConfig()
	err := yaml.UnmarshalWithOptions([]byte(`
consistency: session
classes:
  olap: {ttl: 10s, query_timeout: 1m, settings: {work_mem: 256MB, jit: off, random_page_cost: 1.1, enable_seqscan: true}}
  search: {cache: false}
  timeseries: {settings: {max_parallel_workers_per_gather: ""}}
rules:
  - match: {table: events, application: "report*"}
    route: replica
    cache: false
    ttl: 1s
    settings: {max_parallel_workers_per_gather: 8}
  - match: {fingerprint: "12e4567890123456"}
    class: olap
experience: {slow: 1s}
`), &cfg, yaml.Strict())
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	require.Equal(t, ClassConfig{Route: "replica", Cache: true, TTL: 10 * time.Second, QueryTimeout: time.Minute, Settings: SettingsMap{
		"max_parallel_workers_per_gather": "4", "work_mem": "256MB", "jit": "off", "random_page_cost": "1.1", "enable_seqscan": "true",
	}}, cfg.Classes.OLAP)
	require.Equal(t, "replica", cfg.Classes.Search.Route)
	require.False(t, cfg.Classes.Search.Cache)
	require.Equal(t, 5*time.Minute, cfg.Classes.Search.TTL)
	require.Empty(t, cfg.Classes.TimeSeries.Settings)
	require.Equal(t, DefaultConfig().Classes.OLTP, cfg.Classes.OLTP)
	require.Len(t, cfg.Rules, 2)
	require.False(t, *cfg.Rules[0].Cache)
	require.Equal(t, time.Second, *cfg.Rules[0].TTL)
	require.Equal(t, SettingsMap{"max_parallel_workers_per_gather": "8"}, cfg.Rules[0].Settings)
	require.Equal(t, 5, cfg.Experience.Calls)
	require.Equal(t, "4", DefaultConfig().Classes.OLAP.Settings["max_parallel_workers_per_gather"], "defaults are not shared")
}

func TestWrongConfigurationsSayWhatToWrite(t *testing.T) {
	for text, want := range map[string]string{
		"consistency: strong":                                   "write global, session or eventual",
		"classes: {olap: {route: anywhere}}":                    "classes.olap.route: \"anywhere\" is not a route; write primary or replica",
		"classes: {olap: {ttl: -1s}}":                           "classes.olap.ttl",
		"classes: {olap: {max_concurrency: -1}}":                "write 0 for no limit",
		"classes: {oltp: {settings: {Search_Path: x}}}":         "changes results, rights or the session",
		"classes: {oltp: {settings: {role: x}}}":                "classes.oltp.settings.role",
		"classes: {oltp: {settings: {lc_numeric: C}}}":          "changes results",
		"classes: {oltp: {settings: {statement_timeout: 1s}}}":  "write query_timeout instead",
		"classes: {oltp: {settings: {\"work mem\": 1}}}":        "not the name of a setting",
		"rules: [{route: replica}]":                             "rules[0].match: says nothing",
		"rules: [{match: {class: olpa}}]":                       "rules[0].match.class: \"olpa\" is not a class; write one of oltp, olap",
		"rules: [{match: {role: a}, class: fast}]":              "rules[0].class",
		"rules: [{match: {role: a}, consistency: none}]":        "rules[0].consistency",
		"rules: [{match: {role: a}, time_ttl: -1s}]":            "rules[0].time_ttl",
		"rules: [{match: {fingerprint: xyz}}]":                  "hexadecimal",
		"rules: [{match: {role: a}, settings: {datestyle: x}}]": "rules[0].settings.datestyle",
		"shape: {scan_rows: -1}":                                "write 0 or more",
		"experience: {slow: 10ms}":                              "must be below slow",
		"experience: {calls: 0}":                                "experience.calls",
	} {
		cfg := DefaultConfig()
		require.NoError(t, yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()), text)
		require.ErrorContains(t, cfg.Validate(), want, text)
	}
	cfg := DefaultConfig()
	require.ErrorContains(t, yaml.UnmarshalWithOptions([]byte("classes: {olpa: {cache: true}}"), &cfg, yaml.Strict()), "olpa")
}
