package configs

import (
	"errors"
	"path/filepath"

	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/proxy"
	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// ControlPasswordVariable is the environment variable with the control role's password, used when none is configured.
const ControlPasswordVariable = "AIOPROXY_CONTROL_PASSWORD"

// Config is the configuration of the whole program: the rooms' own types. configs/aioproxy.yaml explains every key.
type Config struct {
	Proxy   proxy.Config   `yaml:",inline"`
	Cluster cluster.Config `yaml:",inline"`
	Auth    auth.Config    `yaml:"auth"`
	Pool    backend.Config `yaml:"pool"`
	Router  router.Config  `yaml:",inline"`
	Cache   store.Config   `yaml:"cache"`
	Parser  parser.Config  `yaml:"parser"`
	Catalog catalog.Config `yaml:",inline"`
	Log     LogConfig      `yaml:"log"`

	path     string // the file it came from; empty for none
	override []func(*Config)
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Proxy:   proxy.DefaultConfig(),
		Cluster: cluster.DefaultConfig(),
		Auth:    auth.DefaultConfig(),
		Pool:    backend.DefaultConfig(),
		Router:  router.DefaultConfig(),
		Cache:   store.DefaultConfig(),
		Parser:  parser.DefaultConfig(),
		Catalog: catalog.DefaultConfig(),
		Log:     DefaultLogConfig(),
	}
}

// Validate tells everything that is wrong; every line of the error begins with the key that it is about.
func (c *Config) Validate() error {
	return errors.Join(
		c.Proxy.Validate(), c.Cluster.Validate(), c.Auth.Validate(), c.Pool.Validate(), c.Router.Validate(),
		c.Cache.Validate(), c.Parser.Validate(), c.Catalog.Validate(), c.Log.Validate(),
	)
}

// resolvePaths makes the paths in the file relative to the directory of the file.
func (c *Config) resolvePaths(dir string) {
	for _, path := range []*string{&c.Proxy.TLS.Cert, &c.Proxy.TLS.Key} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
