package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

// side is one of the two ways to a cluster of its own.
type side struct {
	name    string
	cluster *testbed.Cluster
	host    string
	port    int
	build   string    // where the server and psql write files: PG_ABS_BUILDDIR
	proxy   *aioproxy // nil: direct
}

// serverConf is what PostgreSQL's own runs of its suites set, and nothing that works when it likes: both sides must do the same
// at the same point.
var serverConf = map[string]string{
	"max_prepared_transactions": "10",
	"autovacuum":                "off",
	"hot_standby_feedback":      "off",
	"max_wal_size":              "4GB",
	"checkpoint_timeout":        "1h",
}

// trustAll lets everybody in: the suites reconnect as roles that they make without a password.
const trustAll = "local all all trust\nhost all all 127.0.0.1/32 trust\n" +
	"local replication all trust\nhost replication all 127.0.0.1/32 trust\n"

// newSide starts a primary and a replica that applies commits late, both without a database of the suite.
func newSide(ctx context.Context, name, build string, lag time.Duration) (*side, error) {
	c, err := testbed.Start(ctx, testbed.Options{Replicas: 1, Conf: serverConf})
	if err != nil {
		return nil, err
	}
	s := &side{name: name, cluster: c, host: c.Primary().Host, port: c.Primary().Port, build: build}
	for _, n := range c.Nodes() {
		err = errors.Join(err, letIn(ctx, n))
	}
	if err == nil && lag > 0 {
		err = c.Replicas()[0].Delay(ctx, lag)
	}
	if err == nil {
		err = makeBuildDir(build)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// letIn replaces who may log in how. The file exists and keeps its owner.
func letIn(ctx context.Context, n *testbed.Node) error {
	conn, err := n.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var path string
	if err := conn.QueryRow(ctx, "SHOW hba_file").Scan(&path); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(trustAll), 0o600); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
	return err
}

// makeBuildDir makes the folders that the files of the suites expect. The server, which may run as another user, writes there.
func makeBuildDir(build string) error {
	for _, dir := range []string{build, filepath.Join(build, "results"), filepath.Join(build, "testtablespace")} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// through puts aioproxy in front.
func (s *side) through(p *aioproxy) {
	s.proxy, s.host, s.port = p, p.host, p.port
}

func (s *side) dsn(database string) string {
	return "host=" + s.host + " port=" + strconv.Itoa(s.port) + " user=postgres sslmode=disable dbname=" + database
}

// createDatabase makes a suite's database by this side's own way, with the settings that pg_regress gives it.
func (s *side) createDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	statements := []string{"CREATE DATABASE " + name + " TEMPLATE=template0 LOCALE='C.UTF-8'"}
	for _, setting := range []string{
		"lc_messages TO 'C'", "lc_monetary TO 'C'", "lc_numeric TO 'C'", "lc_time TO 'C'",
		"bytea_output TO 'hex'", "timezone_abbreviations TO 'Default'",
	} {
		statements = append(statements, "ALTER DATABASE "+name+" SET "+setting)
	}
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("%s: %s: %w", s.name, sql, err)
		}
	}
	return nil
}

// environment is what pg_regress gives its programs.
func (s *side) environment(appname, srcdir, libdir string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.build, "LC_MESSAGES=C",
		"PGHOST=" + s.host, "PGPORT=" + strconv.Itoa(s.port), "PGUSER=postgres", "PGSSLMODE=disable", "PGGSSENCMODE=disable",
		"PGTZ=PST8PDT", "PGDATESTYLE=Postgres, MDY", "PGOPTIONS=-c intervalstyle=postgres_verbose", "PGAPPNAME=" + appname,
		"PG_ABS_SRCDIR=" + srcdir, "PG_ABS_BUILDDIR=" + s.build, "PG_LIBDIR=" + libdir, "PG_DLSUFFIX=.so",
		"PGISOLATIONTIMEOUT=20",
	}
}

// close ends what runs; a proxy that did not end well is an error.
func (s *side) close() error {
	var err error
	if s.proxy != nil {
		err = s.proxy.stop()
	}
	return errors.Join(err, s.cluster.Close())
}
