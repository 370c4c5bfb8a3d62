package drivers_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

const (
	patience = 30 * time.Second
	interval = 20 * time.Millisecond

	clients      = 16
	transactions = 50 // per client
)

// TestPgbench runs pgbench with all protocols: more clients than server connections, no error, and books that balance.
func TestPgbench(t *testing.T) {
	for _, connections := range []int{4, 1} {
		t.Run(fmt.Sprintf("connections=%d", connections), func(t *testing.T) {
			p := startProxy(t, splitting(connections))
			database := fmt.Sprintf("pgbench_%d", connections)
			require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "CREATE DATABASE "+database))
			pgbench(t, p, database, "-i", "-q", "-s", "2")
			done, before := 0, pinningOf(t, p)
			for _, protocol := range []string{"simple", "extended", "prepared"} {
				for _, script := range []string{"tpcb-like", "select-only"} {
					t.Run(protocol+"/"+script, func(t *testing.T) {
						out := pgbench(t, p, database, "-n", "-M", protocol, "-b", script, "-c", fmt.Sprint(clients), "-j", "2",
							"-t", fmt.Sprint(transactions), "--max-tries=1")
						require.Contains(t, out, fmt.Sprintf("number of transactions actually processed: %d/%d", clients*transactions, clients*transactions))
						require.Contains(t, out, "number of failed transactions: 0 (0.000%)")
						t.Log(line(out, "tps"))
					})
					if script == "tpcb-like" {
						done += clients * transactions
					}
				}
			}
			judgePins(t, driver{name: "pgbench"}, pinningOf(t, p).since(before))
			balanced(t, p, database, done)
		})
	}
}

func pgbench(t *testing.T, p *proxy, database string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), t, environment(p.host, p.port, database), findPgbench(t), args...)
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(out), "error:")
	return out
}

// findPgbench looks in PATH and beside the server, where Debian has it.
func findPgbench(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path
	}
	bindir, err := testbed.FindPostgres()
	require.NoError(t, err)
	path, err := exec.LookPath(filepath.Join(bindir, "pgbench"))
	require.NoError(t, err, "apt-get install postgresql, or run .ci/install-deps")
	return path
}

func line(out, containing string) string {
	for l := range strings.Lines(out) {
		if strings.Contains(l, containing) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

// balanced requires that every transaction is there and that all books tell the same sum, whoever is asked.
func balanced(t *testing.T, p *proxy, database string, done int) {
	t.Helper()
	for _, dsn := range []string{p.dsn(database), bed.Primary().DSN(database)} {
		conn, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		var accounts, tellers, branches, history int64
		var count int
		err = conn.QueryRow(t.Context(), `SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
			(SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), (SELECT count(*) FROM pgbench_history)`).
			Scan(&accounts, &tellers, &branches, &history, &count)
		require.NoError(t, err)
		require.NoError(t, conn.Close(t.Context()))
		require.Equal(t, []int64{history, history, history}, []int64{accounts, tellers, branches})
		require.Equal(t, done, count)
	}
}
