package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

// configFlags are the flags by which every subcommand gets its configuration.
type configFlags struct {
	set             *pflag.FlagSet
	path            string
	nodes           []string
	listen          []string
	adminListen     string
	controlUser     string
	controlDatabase string
	authMethod      string
	logLevel        string
}

// addConfigFlags declares what names the servers; serving adds what only serve needs.
func addConfigFlags(set *pflag.FlagSet, serving bool) *configFlags {
	f := &configFlags{set: set}
	set.StringVarP(&f.path, "config", "c", "", "configuration `file`")
	set.StringSliceVar(&f.nodes, "nodes", nil, "PostgreSQL servers as `host:port,...`; roles are discovered")
	set.StringVar(&f.controlUser, "control-user", "", "`role` by which aioproxy asks the servers about themselves (default postgres)")
	set.StringVar(&f.controlDatabase, "control-database", "", "`database` that this role connects to (default postgres)")
	if serving {
		set.StringSliceVar(&f.listen, "listen", nil, "`address` for clients: host:port or unix:/directory; may be repeated (default 127.0.0.1:6432)")
		set.StringVar(&f.adminListen, "admin-listen", "", "`address` of HTTP with /metrics, /healthz, /readyz (default 127.0.0.1:9632)")
		set.StringVar(&f.authMethod, "auth-method", "", "`method` by which clients prove who they are: scram-sha-256 or trust (default scram-sha-256)")
		set.StringVar(&f.logLevel, "log-level", "", "`level` of the log: debug, info, warn or error (default info)")
	}
	return f
}

// given reports whether there is anything to find servers by.
func (f *configFlags) given() bool { return f.path != "" || len(f.nodes) > 0 }

// load reads the file, if any, and puts the flags over it. What is wrong with it is printed to w as it is: every problem
// has its place and its source line.
func (f *configFlags) load(w io.Writer) (*configs.Config, error) {
	if !f.given() {
		return nil, usagef("no servers; name them with --nodes HOST:PORT,... or give a file with --config FILE")
	}
	c, err := configs.Load(f.path, f.override)
	if problems, ok := errors.AsType[configs.Problems](err); ok {
		fmt.Fprintln(w, problems)
		return nil, errConfiguration
	}
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (f *configFlags) override(c *configs.Config) {
	for name, apply := range map[string]func(){
		"nodes":            func() { c.Cluster.Nodes = f.nodes },
		"listen":           func() { c.Proxy.Listen = f.listen },
		"admin-listen":     func() { c.Proxy.AdminListen = f.adminListen },
		"control-user":     func() { c.Proxy.Control.User = f.controlUser },
		"control-database": func() { c.Proxy.Control.Database = f.controlDatabase },
		"auth-method":      func() { c.Auth.Method = auth.Method(f.authMethod) },
		"log-level":        func() { c.Log.Level = f.logLevel },
	} {
		if f.set.Changed(name) {
			apply()
		}
	}
}
