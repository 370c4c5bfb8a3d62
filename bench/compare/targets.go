package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// connections is how many server connections every pool has.
const connections = 20

// target is one way to the same primary.
type target struct {
	name   string
	host   string
	port   int
	daemon *daemon // nil for a direct connection
}

func (t *target) pid() int {
	if t.daemon == nil {
		return 0
	}
	return t.daemon.pid()
}

func (t *target) environment(database string) []string {
	return append(os.Environ(), "PGHOST="+t.host, "PGPORT="+strconv.Itoa(t.port), "PGUSER=postgres", "PGDATABASE="+database,
		"PGSSLMODE=disable", "PGGSSENCMODE=disable")
}

// server is the primary that all targets lead to.
type server struct {
	host string
	port int
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// starters are the kinds of targets by name; others are given as name=path of a build of aioproxy.
var starters = map[string]func(*bench, context.Context, *target) error{
	"pgbouncer": (*bench).startPgBouncer,
	"pgpool":    (*bench).startPgpool,
}

func (b *bench) startTarget(ctx context.Context, spec string) (*target, error) {
	name, path, isBuild := strings.Cut(spec, "=")
	t := &target{name: name, host: "127.0.0.1"}
	if name == "direct" {
		return b.direct(), nil
	}
	var err error
	if t.port, err = freePort(); err != nil {
		return nil, err
	}
	start := starters[name]
	switch {
	case isBuild:
		err = b.startAioproxy(ctx, t, path)
	case name == "aioproxy":
		err = b.startAioproxy(ctx, t, b.binary)
	case start == nil:
		err = fmt.Errorf("there is no target %q; know direct, pgbouncer, pgpool, aioproxy and name=path of another build", spec)
	default: // a peer
		err = start(b, ctx, t)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return t, nil
}

// folder makes a directory that the servers' account may use, with files in it.
func (b *bench) folder(name string, files map[string]string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask
		return "", err
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func (b *bench) startAioproxy(ctx context.Context, t *target, binary string) error {
	nodes := []string{net.JoinHostPort(b.server.host, strconv.Itoa(b.server.port))}
	dir, err := b.folder(t.name, map[string]string{"aioproxy.yaml": fmt.Sprintf(`listen: 127.0.0.1:%d
admin_listen: ""
nodes: [%q]
control: {user: postgres, database: postgres, sslmode: disable}
auth: {method: trust}
pool: {max_connections: %d, acquire_timeout: 60s}
max_clients: 20000
log: {level: warn}
`, t.port, nodes[0], connections)})
	if err != nil {
		return err
	}
	args := []string{"--config", filepath.Join(dir, "aioproxy.yaml")}
	if b.profiles != "" && t.name == "aioproxy" {
		args = append(args, "--cpu-profile", b.profileFile())
	}
	t.daemon, err = b.launcher.start(ctx, dir, t.addr(), "", binary, args...)
	return err
}

func (t *target) addr() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

func (b *bench) startPgBouncer(ctx context.Context, t *target) error {
	dir, err := b.folder(t.name, map[string]string{
		"users.txt": "\"postgres\" \"\"\n",
		"pgbouncer.ini": fmt.Sprintf(`[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = users.txt
pool_mode = transaction
default_pool_size = %d
max_client_conn = 20000
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
`, b.server.host, b.server.port, t.port, connections),
	})
	if err != nil {
		return err
	}
	t.daemon, err = b.launcher.start(ctx, dir, t.addr(), "postgres", "pgbouncer", filepath.Join(dir, "pgbouncer.ini"))
	return err
}

func (b *bench) startPgpool(ctx context.Context, t *target) error {
	dir, err := b.folder(t.name, map[string]string{
		"pool_hba.conf": "host all all 127.0.0.1/32 trust\n",
		"pgpool.conf":   "",
	})
	if err != nil {
		return err
	}
	pcp, err := freePort()
	if err != nil {
		return err
	}
	conf := fmt.Sprintf(`listen_addresses = '127.0.0.1'
port = %d
socket_dir = '%s'
pcp_socket_dir = '%s'
pcp_port = %d
pid_file_name = '%s/pgpool.pid'
logdir = '%s'
backend_clustering_mode = 'streaming_replication'
backend_hostname0 = '%s'
backend_port0 = %d
backend_weight0 = 1
sr_check_user = 'postgres'
sr_check_period = 0
num_init_children = 80
max_pool = 1
memory_cache_enabled = on
memqcache_method = 'shmem'
memqcache_expire = 600
memqcache_oiddir = '%s'
log_min_messages = error
`, t.port, dir, dir, pcp, dir, dir, b.server.host, b.server.port, dir)
	if err := os.WriteFile(filepath.Join(dir, "pgpool.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	t.daemon, err = b.launcher.start(ctx, dir, t.addr(), "postgres", "pgpool", "-n",
		"-f", filepath.Join(dir, "pgpool.conf"), "-a", filepath.Join(dir, "pool_hba.conf"))
	return err
}

func (b *bench) stopTargets(all []*target) error {
	var errs []error
	for _, t := range all {
		if t.daemon != nil {
			errs = append(errs, t.daemon.stop())
		}
	}
	return errors.Join(errs...)
}
