package cachepolicy

import (
	"errors"
	"time"
)

// Config holds what applies where a class or rule says nothing. Both values are keys of the section cache of the
// configuration file, which the room store reads; they are handed over from there.
type Config struct {
	DefaultTTL time.Duration // for a ClassPolicy whose TTL is 0
	TimeTTL    time.Duration // for a ClassPolicy whose TimeTTL is 0; 0: results that depend on the time are not kept
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{DefaultTTL: 5 * time.Minute} }

// Validate says what to write instead of a value that cannot be.
func (c Config) Validate() error {
	if c.DefaultTTL <= 0 {
		return errors.New("cache.default_ttl must be longer than 0s; write for instance 5m")
	}
	if c.TimeTTL < 0 {
		return errors.New("cache.time_ttl cannot be negative; write 0s to keep no result that depends on the time")
	}
	return nil
}
