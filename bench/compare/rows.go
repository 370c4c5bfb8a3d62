package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// row is one line of the table: something done to every target.
type row struct {
	name    string
	targets []string // by name; "builds" stands for all builds of aioproxy
	against string   // the target that the others are divided by
	fresh   bool     // each measurement has a target of its own, whose memory nothing has grown before
	measure func(ctx context.Context, b *bench, t *target) (sample, error)
}

const builds = "builds"

// rows are all there are, in the order of the report.
func rows() []row {
	var all []row
	peers := []string{"direct", "pgbouncer", builds}
	for _, clients := range []int{1, 16, 64} {
		for _, protocol := range []string{"simple", "extended", "prepared"} {
			r := row{
				name: fmt.Sprintf("-S %s, %d clients", protocol, clients), targets: peers, against: "pgbouncer",
				measure: load(clients, "-S", "-M", protocol),
			}
			if protocol == "prepared" { // which PgBouncer knows from 1.21 on only
				r.targets, r.against = []string{"direct", builds}, "direct"
			}
			all = append(all, r)
		}
	}
	for _, protocol := range []string{"simple", "extended"} {
		all = append(all, row{
			name: "TPC-B " + protocol + ", 16 clients", targets: peers, against: "pgbouncer", measure: load(16, "-M", protocol),
		})
	}
	all = append(all,
		row{name: "connect and -S, 16 clients", targets: peers, against: "pgbouncer", measure: load(16, "-S", "-C")},
		row{name: "result of 1 row from the cache, simple, 16 clients", targets: []string{"pgpool", builds}, against: "pgpool", measure: cached("simple")},
		row{name: "result of 1 row from the cache, extended, 16 clients", targets: []string{"pgpool", builds}, against: "pgpool", measure: cached("extended")},
		row{name: "SELECT of a million rows", targets: peers, against: "pgbouncer", measure: bulkSelect},
		row{name: "COPY TO of a million rows", targets: peers, against: "pgbouncer", measure: bulkCopyOut},
		row{name: "COPY FROM of a million rows", targets: peers, against: "pgbouncer", measure: bulkCopyIn},
		row{name: "1000 idle clients", targets: []string{"pgbouncer", builds}, against: "pgbouncer", fresh: true, measure: idle(1000)},
		row{name: "5000 idle clients", targets: []string{"pgbouncer", builds}, against: "pgbouncer", fresh: true, measure: idle(5000)},
		row{name: "-S simple, 16 clients beside 5000 idle ones", targets: []string{"pgbouncer", builds}, against: "pgbouncer", measure: besideIdle(5000)},
	)
	return all
}

func load(clients int, args ...string) func(context.Context, *bench, *target) (sample, error) {
	return func(ctx context.Context, b *bench, t *target) (sample, error) {
		threads := min(clients, 2)
		return b.pgbench(ctx, t, append([]string{"-c", strconv.Itoa(clients), "-j", strconv.Itoa(threads)}, args...)...)
	}
}

// cachedQuery costs enough to be kept, and gives one row.
const cachedQuery = "SELECT count(*), avg(abalance), max(filler) FROM pgbench_accounts WHERE bid = 1;\n"

func cached(protocol string) func(context.Context, *bench, *target) (sample, error) {
	return func(ctx context.Context, b *bench, t *target) (sample, error) {
		file := filepath.Join(b.dir, "cached.sql")
		if err := os.WriteFile(file, []byte(cachedQuery), 0o600); err != nil {
			return nil, err
		}
		for range 3 { // so that it is known to be worth keeping, and kept
			if _, err := t.run(ctx, "pgbench", "-n", "-t", "3", "-M", protocol, "-f", file); err != nil {
				return nil, err
			}
		}
		return load(16, "-M", protocol, "-f", file)(ctx, b, t)
	}
}
