package catalog

import (
	"fmt"
	"time"
)

// Config is what an operator may say about the catalog.
type Config struct {
	// RefreshInterval bounds how long DDL that did not pass the proxy goes unnoticed.
	RefreshInterval time.Duration `yaml:"catalog_refresh"`
	// MaxDatabases bounds the snapshots kept; statements of further databases go to the primary, uncached.
	MaxDatabases int `yaml:"catalog_max_databases"`
}

// DefaultConfig returns what holds when nothing is configured.
func DefaultConfig() Config {
	return Config{RefreshInterval: 30 * time.Second, MaxDatabases: 64}
}

// Validate says what is wrong and what to write instead.
func (c Config) Validate() error {
	if c.RefreshInterval < time.Second {
		return fmt.Errorf("catalog_refresh: %s is too often for the server; write 1s or more, e.g. 30s", c.RefreshInterval)
	}
	if c.MaxDatabases < 1 {
		return fmt.Errorf("catalog_max_databases: %d leaves nothing known; write 1 or more, e.g. 64", c.MaxDatabases)
	}
	return nil
}
