package auth

import (
	"errors"
	"fmt"
	"time"
)

// Method is how clients prove who they are.
type Method string

// The methods accepted so far.
const (
	MethodSCRAM Method = "scram-sha-256"
	MethodTrust Method = "trust"
)

// DefaultQuery finds a role's secret; only superusers may read pg_authid.
const DefaultQuery = `SELECT rolpassword, rolcanlogin, rolvaliduntil FROM pg_catalog.pg_authid WHERE rolname = $1`

// Config is the `auth` section.
type Config struct {
	Method Method `yaml:"method"`
	// Query returns rolpassword, and optionally rolcanlogin and rolvaliduntil, of the role
	// $1; no row if there is none. It runs with search_path = pg_catalog, pg_temp.
	Query    string        `yaml:"query"`
	CacheTTL time.Duration `yaml:"cache_ttl"`
}

// DefaultConfig looks SCRAM secrets up in pg_authid.
func DefaultConfig() Config {
	return Config{Method: MethodSCRAM, Query: DefaultQuery, CacheTTL: time.Second}
}

// Validate says what to write instead.
func (c Config) Validate() error {
	switch c.Method {
	case MethodSCRAM, MethodTrust:
	case "md5", "cert":
		return fmt.Errorf("auth.method: %s is not supported yet: use scram-sha-256 (passwords stored with password_encryption = 'scram-sha-256') or trust", c.Method)
	default:
		return fmt.Errorf("auth.method: %q is not a method: use scram-sha-256 or trust", string(c.Method))
	}
	if c.Method == MethodSCRAM && c.Query == "" {
		return errors.New("auth.query: is empty: leave it out, or write a query that returns rolpassword, rolcanlogin, rolvaliduntil of the role $1")
	}
	if c.CacheTTL < 0 || c.CacheTTL > time.Minute {
		return fmt.Errorf("auth.cache_ttl: %s is out of range: use 0s (off) to 1m, e.g. 1s; a changed password is seen only after it", c.CacheTTL)
	}
	return nil
}
