package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// LogConfig says what is logged and how it looks.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // console or json
}

// DefaultLogConfig returns the documented defaults.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: "console"} }

// Validate says what to write instead.
func (c LogConfig) Validate() error {
	return errors.Join(
		oneOf("log.level", c.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Format, "console", "json"),
	)
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not known; write %s", key, value, strings.Join(allowed, ", "))
}
