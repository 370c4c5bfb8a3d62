package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/instance"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// knownNames is what the names of a statement mean, and who said so.
type knownNames struct {
	resolution *catalog.Resolution // nil: not known
	tables     []string            // behind the names that the text has
	source     string
	replicas   bool // a replica could be chosen
	noPrimary  bool
}

// ordinary are functions that every PostgreSQL has, that change nothing and whose result depends on their arguments and
// on settings in the key of a result only. A text that calls others says nothing without its database.
var ordinary = func() map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(`
		count sum avg min max array_agg string_agg json_agg jsonb_agg bool_and bool_or every stddev variance corr
		percentile_cont percentile_disc mode row_number rank dense_rank ntile lag lead first_value last_value nth_value
		abs ceil ceiling floor round trunc sqrt power mod greatest least coalesce nullif lower upper length substring
		substr trim btrim ltrim rtrim replace concat concat_ws left right date_trunc date_bin date_part extract now
		to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline
		generate_series unnest`) {
		set[name] = true
	}
	return set
}()

// assumedNames is for a text without a database: every table is taken for an ordinary one with many rows.
func assumedNames(f *parser.Facts) knownNames {
	names := knownNames{source: "the text alone, as if every table were an ordinary big one; --nodes or --config asks the catalog", replicas: true}
	r := &catalog.Resolution{Rows: 1e6, Volatility: catalog.Stable}
	for i := range f.Statements {
		s := &f.Statements[i]
		for _, fn := range s.Functions {
			if (fn.Schema != "" && fn.Schema != "pg_catalog") || !ordinary[fn.Name] {
				names.source = fmt.Sprintf("the text alone, which does not tell what %s() does; --nodes or --config asks the catalog", fn.Name)
				return names
			}
		}
		for _, name := range s.Reads {
			r.Reads = append(r.Reads, catalog.RelID(len(r.Reads)+1))
			r.System = r.System || name.Schema == "information_schema" || strings.HasPrefix(name.Name, "pg_")
		}
		names.tables = append(names.tables, qualified(s.Reads)...)
	}
	names.resolution = r
	return names
}

// askCatalog loads the catalog of the database from the first node that answers, the primary if there is one.
func askCatalog(ctx context.Context, c *configs.Config, f *parser.Facts, q *explainRequest) (knownNames, error) {
	nodes := askNodes(ctx, c)
	best := bestNode(nodes)
	if best == nil {
		return knownNames{}, fmt.Errorf("no node answers: %w", nodes[0].err)
	}
	connect := func(ctx context.Context, database string) (*pgx.Conn, error) {
		return instance.Connect(ctx, c.Proxy.Control, best.addr, database)
	}
	if q.searchPath == "" {
		if err := askSearchPath(ctx, connect, q); err != nil {
			return knownNames{}, err
		}
	}
	cat := catalog.New(c.Catalog, catalog.Deps{Connect: connect})
	if err := cat.Load(ctx, q.database); err != nil {
		return knownNames{}, fmt.Errorf("load the catalog of %s: %w", q.database, err)
	}
	names := knownNames{
		resolution: cat.Resolve(q.database, f, q.searchPath, q.user), noPrimary: best.replica,
		source: fmt.Sprintf("database %s on %s (%s), search_path %s", q.database, best.addr, best.role(), q.searchPath),
	}
	for i := range nodes {
		names.replicas = names.replicas || (nodes[i].err == nil && nodes[i].replica)
	}
	if names.resolution != nil {
		for _, id := range names.resolution.Reads {
			if name, ok := cat.RelationName(q.database, id); ok {
				names.tables = append(names.tables, qualified([]parser.Name{name})...)
			}
		}
	}
	return names, nil
}

func bestNode(nodes []nodeReport) *nodeReport {
	var best *nodeReport
	for i := range nodes {
		if nodes[i].err == nil && (best == nil || best.replica && !nodes[i].replica) {
			best = &nodes[i]
		}
	}
	return best
}

func askSearchPath(ctx context.Context, connect func(context.Context, string) (*pgx.Conn, error), q *explainRequest) error {
	conn, err := connect(ctx, q.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('search_path')").Scan(&q.searchPath)
}

func qualified(names []parser.Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.Name
		if n.Schema != "" {
			out[i] = n.Schema + "." + n.Name
		}
	}
	return out
}
