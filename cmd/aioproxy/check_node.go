package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/instance"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/jackc/pgx/v5"
)

// nodeReport is what one node said about itself.
type nodeReport struct {
	addr       string
	err        error // why it could not be asked
	replica    bool
	version    string
	systemID   string
	lag        time.Duration
	walLevel   string
	inMonitor  bool
	asked      bool  // whether the look-up of secrets was tried
	secretsErr error // why it did not work
}

func (r *nodeReport) role() string {
	if r.replica {
		return "replica"
	}
	return "primary"
}

// aboutNode asks in one go. A replica that has replayed all that it received is not behind, however long the primary has been idle.
const aboutNode = `
SELECT pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('server_version'),
       (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
       CASE WHEN NOT pg_catalog.pg_is_in_recovery() OR pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()), 0) END::float8,
       pg_catalog.current_setting('wal_level'),
       pg_catalog.pg_has_role('pg_monitor', 'member')`

func askNode(ctx context.Context, c *configs.Config, addr string) nodeReport {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r := nodeReport{addr: addr}
	conn, err := instance.Connect(ctx, c.Proxy.Control, addr, "")
	if err != nil {
		r.err = err
		return r
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var lag float64
	r.err = conn.QueryRow(ctx, aboutNode).Scan(&r.replica, &r.version, &r.systemID, &lag, &r.walLevel, &r.inMonitor)
	r.lag = time.Duration(lag * float64(time.Second)).Round(time.Millisecond)
	if r.err == nil {
		r.askSecrets(ctx, conn, c)
	}
	return r
}

// askSecrets tries the look-up that a scram-sha-256 login makes, for the control role itself.
func (r *nodeReport) askSecrets(ctx context.Context, conn *pgx.Conn, c *configs.Config) {
	if c.Auth.Method != auth.MethodSCRAM {
		return
	}
	r.asked = true
	if _, err := conn.Exec(ctx, "SET search_path = pg_catalog, pg_temp"); err != nil { // as the proxy does
		r.secretsErr = err
		return
	}
	rows, err := conn.Query(ctx, c.Auth.Query, c.Proxy.Control.User)
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	r.secretsErr = err
}

// clusterProblems says what keeps the nodes from being one cluster that aioproxy can serve.
func clusterProblems(nodes []nodeReport) []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	primaries, systemID := 0, ""
	for i := range nodes {
		n := &nodes[i]
		if n.err != nil {
			add("%s: %s", n.addr, oneLine(n.err))
			continue
		}
		if !n.replica {
			primaries++
		}
		if systemID != "" && n.systemID != systemID {
			add("%s belongs to another cluster (system identifier %s, the first node has %s)", n.addr, n.systemID, systemID)
		}
		if systemID == "" {
			systemID = n.systemID
		}
		if n.secretsErr != nil {
			add("%s: the control role cannot look up the secrets of roles, so nobody can log in by scram-sha-256: %s", n.addr, oneLine(n.secretsErr))
		}
		if !n.inMonitor {
			add("%s: the control role is not a member of pg_monitor; run GRANT pg_monitor TO it", n.addr)
		}
	}
	if primaries != 1 {
		add("%d of the nodes are primaries; there must be one", primaries)
	}
	return problems
}

func printNodes(w io.Writer, nodes []nodeReport) {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tROLE\tVERSION\tLAG\tSECRETS\tPG_MONITOR\tWAL_LEVEL")
	for i := range nodes {
		n := &nodes[i]
		if n.err != nil {
			fmt.Fprintf(table, "%s\tunreachable\t-\t-\t-\t-\t-\n", n.addr)
			continue
		}
		lag := "-"
		if n.replica {
			lag = n.lag.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.addr, n.role(), n.version, lag, n.secrets(), yesNo(n.inMonitor), n.walLevel)
	}
	_ = table.Flush() // of standard output, where nothing more could be said
}

// secrets tells whether roles can log in by scram-sha-256.
func (r *nodeReport) secrets() string {
	if !r.asked {
		return "not needed"
	}
	return yesNo(r.secretsErr == nil)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
