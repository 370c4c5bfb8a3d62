package backend

import (
	"fmt"
	"time"
)

// Config is the `pool:` section.
type Config struct {
	// MaxConnections bounds the connections of one (node, database, user), those being dialled included.
	MaxConnections int `yaml:"max_connections"`
	// MinConnections are kept open once a client has come.
	MinConnections int `yaml:"min_connections"`
	// AcquireTimeout is how long a client waits for a connection; 0s: for ever.
	AcquireTimeout time.Duration `yaml:"acquire_timeout"`
	// IdleTimeout closes what nobody used; 0s: never.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// MaxLifetime closes a connection of that age, give or take a tenth, when it is returned; 0s: never.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
	// ConnectTimeout bounds a dial with its login, and a cancel.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// MaxPreparedStatements bounds what is prepared on one server connection.
	MaxPreparedStatements int `yaml:"max_prepared_statements"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		MaxConnections: 20, AcquireTimeout: 5 * time.Second, IdleTimeout: 10 * time.Minute, MaxLifetime: time.Hour,
		ConnectTimeout: 5 * time.Second, MaxPreparedStatements: 200,
	}
}

// Validate says what to write instead.
func (c Config) Validate() error {
	switch {
	case c.MaxConnections < 1:
		return fmt.Errorf("pool.max_connections is %d: write at least 1", c.MaxConnections)
	case c.MinConnections < 0 || c.MinConnections > c.MaxConnections:
		return fmt.Errorf("pool.min_connections is %d: write a number from 0 to max_connections (%d)", c.MinConnections, c.MaxConnections)
	case c.MaxPreparedStatements < 1:
		return fmt.Errorf("pool.max_prepared_statements is %d: write at least 1", c.MaxPreparedStatements)
	case c.ConnectTimeout <= 0:
		return fmt.Errorf("pool.connect_timeout is %s: write a time above 0s, such as 5s", c.ConnectTimeout)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"acquire_timeout", c.AcquireTimeout}, {"idle_timeout", c.IdleTimeout}, {"max_lifetime", c.MaxLifetime},
	} {
		if d.value < 0 {
			return fmt.Errorf("pool.%s is %s: write 0s for no limit, or a time such as 5s", d.key, d.value)
		}
	}
	return nil
}
