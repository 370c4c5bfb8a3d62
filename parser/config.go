package parser

import (
	"fmt"

	"github.com/aioproxy/aioproxy/configs/configsize"
)

// Config bounds what the memo keeps.
type Config struct {
	MaxEntries   int             `yaml:"max_entries"`   // texts, and as many forms without literals
	MaxBytes     configsize.Size `yaml:"max_memory"`    // for texts and facts together
	MaxTextBytes configsize.Size `yaml:"max_statement"` // longer texts are not parsed, unless they are long by lists of literals: primary, uncached
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{MaxEntries: 20000, MaxBytes: 64 * configsize.MiB, MaxTextBytes: 256 * configsize.KiB}
}

// Validate says what to write instead of a value that cannot work.
func (c Config) Validate() error {
	if c.MaxEntries < 100 {
		return fmt.Errorf("parser.max_entries is %d; write at least 100", c.MaxEntries)
	}
	if c.MaxBytes < configsize.MiB {
		return fmt.Errorf("parser.max_memory is %d bytes; write at least 1MiB", c.MaxBytes)
	}
	if c.MaxTextBytes < configsize.KiB || c.MaxTextBytes > 16*configsize.MiB {
		return fmt.Errorf("parser.max_statement is %d bytes; write a size from 1KiB to 16MiB", c.MaxTextBytes)
	}
	return nil
}
