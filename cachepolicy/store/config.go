package store

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/configs/configsize"
)

// The values of Config.Store.
const (
	Memory = "memory"
	Redis  = "redis"
)

// Config is the section cache of the configuration file.
type Config struct {
	Store         string          `yaml:"store"`
	Redis         RedisConfig     `yaml:"redis"`
	MemoryLimit   configsize.Size `yaml:"memory_limit"`
	MaxResultSize configsize.Size `yaml:"max_result_size"`
	DefaultTTL    time.Duration   `yaml:"default_ttl"`
	TimeTTL       time.Duration   `yaml:"time_ttl"`
	MinCost       time.Duration   `yaml:"min_cost"`
	FlightWait    time.Duration   `yaml:"flight_wait"` // how long a query waits for an equal one that is already running
}

// RedisConfig says where Redis is. Instances with the same namespace share their results.
type RedisConfig struct {
	Address           string        `yaml:"address"`
	Username          string        `yaml:"username"`
	Password          string        `yaml:"password"`
	Database          int           `yaml:"database"`
	MaxConnections    int           `yaml:"max_connections"`
	Timeout           time.Duration `yaml:"timeout"`            // the longest that a lookup waits
	InvalidateTimeout time.Duration `yaml:"invalidate_timeout"` // the longest that a writer's answer waits
	Namespace         string        `yaml:"namespace"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Store: Memory,
		Redis: RedisConfig{
			Address:           "127.0.0.1:6379",
			MaxConnections:    10,
			Timeout:           50 * time.Millisecond,
			InvalidateTimeout: 250 * time.Millisecond,
			Namespace:         "aioproxy",
		},
		MemoryLimit:   256 * configsize.MiB,
		MaxResultSize: 8 * configsize.MiB,
		DefaultTTL:    5 * time.Minute,
		MinCost:       5 * time.Millisecond,
		FlightWait:    10 * time.Second,
	}
}

// Validate says what to write instead of a value that cannot be.
func (c Config) Validate() error {
	switch {
	case c.Store != Memory && c.Store != Redis:
		return fmt.Errorf("cache.store is %q; write memory or redis", c.Store)
	case c.MemoryLimit < configsize.MiB:
		return fmt.Errorf("cache.memory_limit is %s; write at least 1MiB", c.MemoryLimit)
	case c.MaxResultSize <= 0 || c.MaxResultSize > configsize.GiB:
		return fmt.Errorf("cache.max_result_size is %s; write a size up to 1GiB", c.MaxResultSize)
	case c.MaxResultSize > c.MemoryLimit:
		return fmt.Errorf("cache.max_result_size (%s) must not exceed cache.memory_limit (%s)", c.MaxResultSize, c.MemoryLimit)
	case c.DefaultTTL <= 0:
		return errors.New("cache.default_ttl must be longer than 0s; write for instance 5m")
	case c.TimeTTL < 0:
		return errors.New("cache.time_ttl cannot be negative; write 0s to keep no result that depends on the time")
	case c.MinCost < 0:
		return errors.New("cache.min_cost cannot be negative; write 0s to keep every result")
	case c.FlightWait <= 0:
		return errors.New("cache.flight_wait must be longer than 0s; write for instance 10s")
	case c.Store == Redis:
		return c.Redis.validate()
	}
	return nil
}

func (c RedisConfig) validate() error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("cache.redis.address is %q; write host:port, for instance 127.0.0.1:6379", c.Address)
	}
	switch {
	case c.Database < 0:
		return errors.New("cache.redis.database cannot be negative; write 0")
	case c.MaxConnections < 1:
		return errors.New("cache.redis.max_connections must be at least 1; write for instance 10")
	case c.Timeout <= 0:
		return errors.New("cache.redis.timeout must be longer than 0s; write for instance 50ms")
	case c.InvalidateTimeout <= 0:
		return errors.New("cache.redis.invalidate_timeout must be longer than 0s; write for instance 250ms")
	case c.Namespace == "" || strings.ContainsAny(c.Namespace, "{} \t\r\n"):
		return fmt.Errorf("cache.redis.namespace is %q; write a name without braces and spaces, for instance aioproxy", c.Namespace)
	}
	return nil
}
