package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

// Config says which nodes there are and how closely they are watched.
type Config struct {
	Nodes         []string      `yaml:"nodes"`           // host:port, or a directory with a Unix socket as /dir:port
	CheckInterval time.Duration `yaml:"check_interval"`  // between two checks of a node
	CheckTimeout  time.Duration `yaml:"check_timeout"`   // for one connect or one question
	MaxReplicaLag time.Duration `yaml:"max_replica_lag"` // replicas further behind are left out
	ReplicaWait   time.Duration `yaml:"replica_wait"`    // how long a read waits for a replica to catch up
}

// DefaultConfig has the defaults of DESIGN.md section 7 and no nodes.
func DefaultConfig() Config {
	return Config{
		CheckInterval: time.Second, CheckTimeout: 2 * time.Second,
		MaxReplicaLag: 10 * time.Second, ReplicaWait: 20 * time.Millisecond,
	}
}

// Validate tells everything that is wrong at once; each message names its key.
func (c Config) Validate() error {
	var errs []error
	if len(c.Nodes) == 0 {
		errs = append(errs, errors.New(`nodes: is empty; write at least one server, such as ["127.0.0.1:5432"]`))
	}
	seen := map[string]bool{}
	for i, addr := range c.Nodes {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			errs = append(errs, fmt.Errorf("nodes[%d]: %q is not an address; write host:port", i, addr))
		}
		if seen[addr] {
			errs = append(errs, fmt.Errorf("nodes[%d]: %q is listed twice; write each node once", i, addr))
		}
		seen[addr] = true
	}
	for _, d := range []struct {
		key  string
		v    time.Duration
		zero bool
	}{
		{"check_interval", c.CheckInterval, false},
		{"check_timeout", c.CheckTimeout, false},
		{"max_replica_lag", c.MaxReplicaLag, false},
		{"replica_wait", c.ReplicaWait, true},
	} {
		if d.v < 0 || (d.v == 0 && !d.zero) {
			errs = append(errs, fmt.Errorf("%s: %v is too short; write a positive duration such as 1s", d.key, d.v))
		}
	}
	return errors.Join(errs...)
}

// Deps is what a Cluster needs from outside.
type Deps struct {
	// Connect opens a connection of the control role. It may not outlive ctx while connecting.
	Connect func(ctx context.Context, addr string) (*pgx.Conn, error)
	Log     *zap.Logger
	Metrics *Metrics
	// OnChange is told when a role, the usability or the generation of a node changed, one call at a time, in order. It
	// may be nil and must not block.
	OnChange func(*Snapshot)
}
