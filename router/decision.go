package router

import "time"

// Class is a kind of workload.
type Class uint8

// The classes of DESIGN.md section 6.
const (
	OLTP Class = iota
	OLAP
	Search
	TimeSeries
	DDL
	Maintenance
	Session
	classCount
)

var classNames = [classCount]string{"oltp", "olap", "search", "timeseries", "ddl", "maintenance", "session"}

// Classes lists all classes.
func Classes() []Class { return []Class{OLTP, OLAP, Search, TimeSeries, DDL, Maintenance, Session} }

func (c Class) String() string { return classNames[c] }

// ParseClass is the inverse of String.
func ParseClass(name string) (Class, bool) {
	for c, n := range classNames {
		if n == name {
			return Class(c), true
		}
	}
	return 0, false
}

// Target is where a statement may run.
type Target uint8

// The targets. A Replica decision is a wish: the primary serves it when no replica qualifies.
const (
	Primary Target = iota
	Replica
	targetCount
)

var targetNames = [targetCount]string{"primary", "replica"}

func (t Target) String() string { return targetNames[t] }

// Consistency is what a read requires of a source's position (DESIGN.md section 4).
type Consistency uint8

// The consistency levels.
const (
	Global Consistency = iota
	SessionLevel
	Eventual
)

var consistencyNames = [...]string{"global", "session", "eventual"}

func (c Consistency) String() string { return consistencyNames[c] }

// ParseConsistency is the inverse of String.
func ParseConsistency(name string) (Consistency, bool) {
	for c, n := range consistencyNames {
		if n == name {
			return Consistency(c), true
		}
	}
	return 0, false
}

// Decision says where a request runs, as what, and why.
type Decision struct {
	Class       Class
	Target      Target
	Reason      Reason
	Consistency Consistency
	Rule        int  // index of the rule that decided, -1 if none
	Read        bool // the request only reads and may be run again elsewhere if a node fails before a row was sent
	Policy      Policy
}

// Policy is what class and rules say about the request beside its route. Settings is shared: it must not be changed.
type Policy struct {
	Cache          bool
	TTL            time.Duration // 0: the cache's default
	TimeTTL        time.Duration // 0: the cache's default
	QueryTimeout   time.Duration // 0: none
	MaxConcurrency int           // of the class; 0: no limit
	Settings       []Setting     // sorted by name; in force for exactly this request, below what the client set itself
}
