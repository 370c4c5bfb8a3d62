package store

// Status says what a lookup came to.
type Status uint8

// The statuses.
const (
	Miss        Status = iota // not there
	HitMemory                 // from this process
	HitRedis                  // from Redis
	Shared                    // from an equal query that was running
	Void                      // there, but a table changed since
	Expired                   // there, but older than its time to live
	Rubbish                   // Redis held something that is not an entry; it was deleted
	Unavailable               // not in this process, and Redis could not be asked
)

const numStatuses = int(Unavailable) + 1

// String returns the metric label.
func (s Status) String() string {
	switch s {
	case Miss:
		return "miss"
	case HitMemory:
		return "memory"
	case HitRedis:
		return "redis"
	case Shared:
		return "shared"
	case Void:
		return "void"
	case Expired:
		return "expired"
	case Rubbish:
		return "rubbish"
	case Unavailable:
		return "unavailable"
	}
	return "unknown"
}

// Hit reports whether there was an entry.
func (s Status) Hit() bool {
	switch s {
	case HitMemory, HitRedis, Shared:
		return true
	case Miss, Void, Expired, Rubbish, Unavailable:
		return false
	}
	return false
}

// Outcome says what became of a result that was to be kept.
type Outcome uint8

// The outcomes.
const (
	Kept       Outcome = iota // in every tier that is in use
	KeptMemory                // in this process only: Redis is configured but could not be used
	TooLarge                  // longer than max_result_size
	TooCheap                  // cost less than min_cost
	Overtaken                 // a table changed while the query ran
	NoTier                    // no tier can be used at the moment
	TooOld                    // its time to live had passed when it was complete
)

// String returns the metric label.
func (o Outcome) String() string {
	switch o {
	case Kept:
		return "kept"
	case KeptMemory:
		return "kept_memory"
	case TooLarge:
		return "too_large"
	case TooCheap:
		return "too_cheap"
	case Overtaken:
		return "overtaken"
	case NoTier:
		return "no_tier"
	case TooOld:
		return "too_old"
	}
	return "unknown"
}
