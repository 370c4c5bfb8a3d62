package proxy

import (
	"errors"
	"fmt"
	"time"
)

// Config is what the proxy room itself is told. Its rooms' own configurations stand beside it in the file.
type Config struct {
	Listen          []string      `yaml:"listen"`           // host:port, or unix:/directory
	AdminListen     string        `yaml:"admin_listen"`     // host:port of HTTP; empty for none
	MaxClients      int           `yaml:"max_clients"`      // client connections at a time
	LoginTimeout    time.Duration `yaml:"login_timeout"`    // from accept to the end of authentication
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"` // how long running transactions may take at a stop
	DeferredBegin   bool          `yaml:"deferred_begin"`   // send BEGIN together with the first statement of its transaction
	AdminUsers      []string      `yaml:"admin_users"`      // who may do everything on the console
	StatsUsers      []string      `yaml:"stats_users"`      // who may look around there
	TLS             TLSConfig     `yaml:"tls"`
	Control         ControlConfig `yaml:"control"`
}

// TLSConfig is TLS towards clients.
type TLSConfig struct {
	Mode string `yaml:"mode"` // disable | allow | prefer | require
	Cert string `yaml:"cert"` // PEM file; without one no TLS is offered
	Key  string `yaml:"key"`
}

// ControlConfig is the role by which aioproxy asks the servers about themselves. SSLMode holds for all server connections.
type ControlConfig struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
	Database string `yaml:"database"`
	SSLMode  string `yaml:"sslmode"` // disable | prefer | require
}

// DefaultConfig returns the values in force where the file says nothing.
func DefaultConfig() Config {
	return Config{
		Listen:          []string{"127.0.0.1:6432"},
		AdminListen:     "127.0.0.1:9632",
		MaxClients:      10000,
		LoginTimeout:    time.Minute,
		ShutdownTimeout: 30 * time.Second,
		DeferredBegin:   true,
		TLS:             TLSConfig{Mode: "prefer"},
		Control:         ControlConfig{User: "postgres", Database: "postgres", SSLMode: "prefer"},
	}
}

// Validate says what is wrong, naming the key and what to write instead.
func (c Config) Validate() error {
	switch {
	case len(c.Listen) == 0:
		return errors.New("listen: is empty; name at least one address such as 127.0.0.1:6432 or unix:/var/run/aioproxy")
	case c.MaxClients < 1:
		return fmt.Errorf("max_clients: %d is not possible; write a number of at least 1", c.MaxClients)
	case c.LoginTimeout <= 0:
		return errors.New("login_timeout: must be more than zero, such as 60s")
	case c.ShutdownTimeout < 0:
		return errors.New("shutdown_timeout: must not be negative; write 0s to stop at once")
	case c.Control.User == "":
		return errors.New("control.user: is empty; name the role that may ask the servers for their state")
	case c.Control.Database == "":
		return errors.New("control.database: is empty; name a database that the control role may connect to, such as postgres")
	}
	if err := oneOf("tls.mode", c.TLS.Mode, "disable", "allow", "prefer", "require"); err != nil {
		return err
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return errors.New("tls: cert and key belong together; set both or neither")
	}
	if c.TLS.Mode == "require" && c.TLS.Cert == "" {
		return errors.New("tls.mode: require needs tls.cert and tls.key")
	}
	return oneOf("control.sslmode", c.Control.SSLMode, "disable", "prefer", "require")
}

func oneOf(key, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is unknown; write one of %v", key, value, allowed)
}
