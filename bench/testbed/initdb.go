package testbed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Who may log in how; see the package comment.
const hba = `# type  database     user      address       method
local   all          postgres                trust
host    all          postgres  127.0.0.1/32  trust
local   replication  postgres                trust
host    replication  postgres  127.0.0.1/32  trust
local   all          +trusted                trust
host    all          +trusted  127.0.0.1/32  trust
local   all          all                     scram-sha-256
host    all          all       127.0.0.1/32  scram-sha-256
`

var baseConf = map[string]string{
	"listen_addresses":             host,
	"fsync":                        "off",
	"wal_level":                    "replica",
	"max_wal_senders":              "10",
	"wal_keep_size":                "512MB", // a replica that was stopped for a while finds its way back
	"hot_standby":                  "on",
	"wal_receiver_status_interval": "1s",
	"wal_retrieve_retry_interval":  "100ms",
	"shared_buffers":               "64MB",
	"max_connections":              "200",
	"password_encryption":          "scram-sha-256",
	"logging_collector":            "off",
}

// initdb makes the data directory of the primary.
func (c *Cluster) initdb(ctx context.Context) error {
	cmd := c.account.command(ctx, c.dir.path, filepath.Join(c.bindir, "initdb"),
		"--no-sync", "--no-instructions", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
		"-A", "trust", "-D", c.primary.dataDir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.WriteFile(filepath.Join(c.primary.dataDir, "pg_hba.conf"), []byte(hba), 0o600)
}

// clone copies the primary's directory before its first start. A cold copy is a
// valid base backup, takes a tenth of pg_basebackup's time, and lets all servers
// start at once.
func (c *Cluster) clone(ctx context.Context, to *Node) error {
	out, err := c.account.command(ctx, c.dir.path, "cp", "-a", c.primary.dataDir, to.dataDir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy data directory: %w\n%s", err, out)
	}
	signal := filepath.Join(to.dataDir, "standby.signal")
	return errors.Join(os.WriteFile(signal, nil, 0o600), c.give(signal))
}

func (c *Cluster) writeConf(n *Node, extra map[string]string) error {
	conf := maps.Clone(baseConf)
	conf["port"] = fmt.Sprint(n.Port)
	conf["unix_socket_directories"] = c.dir.path
	if n != c.primary {
		conf["primary_conninfo"] = conninfo(c.primary.Port, n.Name)
	}
	maps.Copy(conf, extra)

	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(conf)) {
		fmt.Fprintf(&b, "%s = %s\n", name, quote(conf[name]))
	}
	// Behind initdb's own lines, of which it overrides some.
	f, err := os.OpenFile(filepath.Join(n.dataDir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

// give hands a file that we wrote to the account of the servers.
func (c *Cluster) give(path string) error {
	if c.account.cred == nil {
		return nil
	}
	return os.Chown(path, int(c.account.cred.Uid), int(c.account.cred.Gid))
}

func conninfo(port int, name string) string {
	return fmt.Sprintf("host=%s port=%d user=postgres application_name=%s", host, port, name)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
