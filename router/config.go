package router

import (
	"fmt"
	"maps"
	"time"
)

// Config says how statements are classified and where classes go.
type Config struct {
	Consistency string           `yaml:"consistency"` // global, session or eventual
	Classes     ClassesConfig    `yaml:"classes"`
	Rules       []Rule           `yaml:"rules"`
	Shape       ShapeConfig      `yaml:"shape"`
	Experience  ExperienceConfig `yaml:"experience"`
}

// ClassesConfig has a fixed field per class, so that what the file says is laid over the defaults key by key and a
// misspelt class is an unknown key with its position.
type ClassesConfig struct {
	OLTP        ClassConfig `yaml:"oltp"`
	OLAP        ClassConfig `yaml:"olap"`
	Search      ClassConfig `yaml:"search"`
	TimeSeries  ClassConfig `yaml:"timeseries"`
	DDL         ClassConfig `yaml:"ddl"`
	Maintenance ClassConfig `yaml:"maintenance"`
	Session     ClassConfig `yaml:"session"`
}

// Get returns the configuration of one class.
func (c *ClassesConfig) Get(class Class) *ClassConfig {
	return [classCount]*ClassConfig{&c.OLTP, &c.OLAP, &c.Search, &c.TimeSeries, &c.DDL, &c.Maintenance, &c.Session}[class]
}

// ClassConfig is the policy of one class.
type ClassConfig struct {
	Route          string        `yaml:"route"` // primary or replica
	Cache          bool          `yaml:"cache"`
	TTL            time.Duration `yaml:"ttl"`             // 0s: cache.default_ttl
	TimeTTL        time.Duration `yaml:"time_ttl"`        // 0s: cache.time_ttl
	QueryTimeout   time.Duration `yaml:"query_timeout"`   // 0s: none
	MaxConcurrency int           `yaml:"max_concurrency"` // 0: no limit
	Settings       SettingsMap   `yaml:"settings"`
}

// SettingsMap is a set of run-time settings by name. Read from a file it is laid over what was there before; an empty
// value takes a setting out.
type SettingsMap map[string]string

// UnmarshalYAML accepts numbers and booleans as values too, because that is how people write settings.
func (s *SettingsMap) UnmarshalYAML(unmarshal func(any) error) error {
	var read map[string]any
	if err := unmarshal(&read); err != nil {
		return err
	}
	merged := maps.Clone(*s)
	if merged == nil {
		merged = SettingsMap{}
	}
	for name, value := range read {
		text := ""
		if value != nil {
			text = fmt.Sprint(value)
		}
		if text == "" {
			delete(merged, name)
			continue
		}
		merged[name] = text
	}
	*s = merged
	return nil
}

// Rule gives attributes to the requests that it matches. For each attribute the first matching rule that has it wins.
type Rule struct {
	Match        Match          `yaml:"match"`
	Class        string         `yaml:"class"`
	Route        string         `yaml:"route"`
	Cache        *bool          `yaml:"cache"`
	TTL          *time.Duration `yaml:"ttl"`
	TimeTTL      *time.Duration `yaml:"time_ttl"`
	Consistency  string         `yaml:"consistency"`
	QueryTimeout *time.Duration `yaml:"query_timeout"`
	Settings     SettingsMap    `yaml:"settings"`
}

// Match says which requests a rule is for: all that is written must hold. Texts may end in * for any ending.
type Match struct {
	Table       string `yaml:"table"`       // name or schema.name; as written in the statement
	Fingerprint string `yaml:"fingerprint"` // hexadecimal, as shown by explain and in the query table
	Role        string `yaml:"role"`        // login role or the one set by SET ROLE
	Database    string `yaml:"database"`
	Application string `yaml:"application"`
	Class       string `yaml:"class"` // the class before rules
}

// ShapeConfig has the sizes, in rows as the planner estimates them, that matter for a class.
type ShapeConfig struct {
	SmallTableRows float64 `yaml:"small_table_rows"` // statements on smaller tables only are oltp
	AggregateRows  float64 `yaml:"aggregate_rows"`   // an aggregate without an equality over so many is olap
	ScanRows       float64 `yaml:"scan_rows"`        // a scan without WHERE and LIMIT over so many is olap
}

// ExperienceConfig says when measured time overrules the shape.
type ExperienceConfig struct {
	Slow    time.Duration `yaml:"slow"`    // oltp reads whose mean is above become olap
	Fast    time.Duration `yaml:"fast"`    // and oltp again below
	Calls   int           `yaml:"calls"`   // measured at least so often
	Entries int           `yaml:"entries"` // fingerprints remembered
}

// DefaultConfig returns the defaults of DESIGN.md sections 6 and 7.
func DefaultConfig() Config {
	primary := ClassConfig{Route: "primary"}
	replica := ClassConfig{Route: "replica", Cache: true, TTL: 5 * time.Minute}
	parallel := func() ClassConfig {
		c := replica
		c.Settings = SettingsMap{"max_parallel_workers_per_gather": "4"}
		return c
	}
	return Config{
		Consistency: Global.String(),
		Classes: ClassesConfig{
			OLTP: primary, OLAP: parallel(), Search: replica, TimeSeries: parallel(),
			DDL: primary, Maintenance: primary, Session: primary,
		},
		Shape:      ShapeConfig{SmallTableRows: 1000, AggregateRows: 10_000, ScanRows: 100_000},
		Experience: ExperienceConfig{Slow: 100 * time.Millisecond, Fast: 20 * time.Millisecond, Calls: 5, Entries: 10_000},
	}
}
