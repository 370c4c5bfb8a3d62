package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/aioproxy/aioproxy/router"
)

const explainHelp = `Usage: aioproxy explain [flags] 'SQL'

Tells what aioproxy would do with a statement, without running it: its class, where it would run and why, whether its
result would be cached or why not, the tables and functions it uses, and its fingerprint. With --nodes or --config the
catalog of a running cluster says what the names mean; without, the text alone is judged, and the answer says so.
"-" reads the statement from standard input.

What aioproxy learns from measured times is known to the running proxy only.
`

// explainRequest is one question.
type explainRequest struct {
	sql, database, user, searchPath, application string
}

func explainCommand() command {
	return command{
		name: "explain", summary: "tell what would happen to a statement", help: explainHelp,
		flags: func(set *pflag.FlagSet) func(context.Context, []string, streams) error {
			f := addConfigFlags(set, false)
			var q explainRequest
			set.StringVarP(&q.database, "database", "d", "", "`database` in which the names are looked up (default the control role's)")
			set.StringVarP(&q.user, "user", "U", "", "`role` that would run it, for rules and \"$user\" (default the control role)")
			set.StringVar(&q.searchPath, "search-path", "", "search_path of the session (default the database's)")
			set.StringVar(&q.application, "application", "", "application_name of the session, for rules")
			return func(ctx context.Context, args []string, std streams) error {
				if len(args) != 1 {
					return usagef("explain takes one statement; put it in quotes")
				}
				q.sql = args[0]
				if q.sql == "-" {
					text, err := io.ReadAll(std.in)
					if err != nil {
						return err
					}
					q.sql = string(text)
				}
				return explain(ctx, f, q, std)
			}
		},
	}
}

func explain(ctx context.Context, f *configFlags, q explainRequest, std streams) error {
	c, err := explainConfig(f, std.err)
	if err != nil {
		return err
	}
	q.database = orElse(q.database, c.Proxy.Control.Database)
	q.user = orElse(q.user, c.Proxy.Control.User)
	facts := parser.NewMemo(c.Parser, pgquery.New()).Facts([]byte(q.sql))
	names := assumedNames(facts)
	if f.given() {
		if names, err = askCatalog(ctx, c, facts, &q); err != nil {
			return err
		}
	}
	a := judge(c, facts, names, q)
	a.print(std.out)
	return nil
}

// explainConfig: without servers the defaults are what is explained.
func explainConfig(f *configFlags, w io.Writer) (*configs.Config, error) {
	if f.given() {
		return f.load(w)
	}
	c := configs.Default()
	return &c, nil
}

// answer is what is known about one statement.
type answer struct {
	facts    *parser.Facts
	names    knownNames
	decision router.Decision
	verdict  cachepolicy.Verdict
	rule     bool // the configuration has rules, so it is worth telling which one decided
}

func judge(c *configs.Config, facts *parser.Facts, names knownNames, q explainRequest) answer {
	d := router.New(c.Router).Route(router.Input{
		Facts: []*parser.Facts{facts}, Names: []*catalog.Resolution{names.resolution},
		Database: q.database, User: q.user, Application: q.application, Replicas: names.replicas, NoPrimary: names.noPrimary,
	})
	policy := cachepolicy.New(cachepolicy.Config{DefaultTTL: c.Cache.DefaultTTL, TimeTTL: c.Cache.TimeTTL})
	in := cachepolicy.Input{
		Facts: facts, Names: names.resolution, Text: []byte(q.sql), Database: q.database, User: q.user, Simple: true,
		Policy: cachepolicy.ClassPolicy{Cache: d.Policy.Cache, TTL: d.Policy.TTL, TimeTTL: d.Policy.TimeTTL},
	}
	if facts.Hints != nil {
		in.On, in.Off = facts.Hints.Cache == "on", facts.Hints.Cache == "off"
	}
	return answer{facts: facts, names: names, decision: d, verdict: policy.Judge(in), rule: len(c.Router.Rules) > 0}
}

func orElse(value, otherwise string) string {
	if strings.TrimSpace(value) == "" {
		return otherwise
	}
	return value
}

// line writes one aligned fact.
func line(w io.Writer, label, format string, args ...any) {
	fmt.Fprintf(w, "%-12s %s\n", label, fmt.Sprintf(format, args...))
}
