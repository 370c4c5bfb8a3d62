package catalog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
)

const appPath = `app, public`

func TestResolve(t *testing.T) {
	db := newTestDatabase(t, true)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	for _, tc := range resolveCases {
		t.Run(tc.name, func(t *testing.T) {
			st := parser.Statement{
				Kind: tc.kind, Reads: names(tc.reads), Writes: names(tc.writes), Functions: names(tc.calls),
			}
			if st.Kind == parser.Opaque {
				st.Kind = parser.Select
			}
			path := tc.path
			if path == "" {
				path = appPath
			}
			r := c.Resolve(db, &parser.Facts{Statements: []parser.Statement{st}}, path, "alice")
			require.Equal(t, tc.want, show(c, db, r))
		})
	}
}

type resolveCase struct {
	name                 string
	kind                 parser.Kind // Select if not said
	reads, writes, calls string
	path                 string
	want                 string
}

var resolveCases = []resolveCase{
	// names
	{name: "table", reads: "users", want: "reads=users rows=500"},
	{name: "qualified", reads: "other.users", want: "reads=other.users"},
	{name: "first of the path", reads: "users", path: "other, app", want: "reads=other.users"},
	{name: "user's schema may be closed to others", reads: "users", path: `"$user", app, other`, want: "reads=alice.users,users rows=500"},
	{name: "user's schema is named first", reads: "users", path: `"$user", nowhere`, want: "reads=alice.users"},
	{name: "quoted schema", reads: "", path: `"Mixed Case"`, want: ""},
	{name: "unknown table", reads: "nope users", want: "unknown=nope reads=users rows=500"},
	{name: "unknown schema", reads: "nope.users", want: "unknown=nope.users"},
	{name: "not in the path", reads: "events", path: "other", want: "unknown=events"},
	{name: "unknown function", calls: "nope", want: "unknown=nope"},
	{name: "own temporary table", reads: "pg_temp.x", want: "temporary"},
	{name: "catalogue first", reads: "pg_class", path: "app", want: "system"},
	{name: "information_schema", reads: "information_schema.tables", want: "system"},

	// what is read
	{name: "view", reads: "v_users", want: "reads=users rows=500"},
	{name: "view on view", reads: "v_top", want: "reads=other.users,users rows=500"},
	{name: "materialized view", reads: "m_users", want: "reads=m_users"},
	{name: "view on materialized view", reads: "v_mat", want: "reads=m_users"},
	{name: "view on a catalogue", reads: "v_classes", want: "system"},
	{name: "partitioned", reads: "events", want: "reads=events,events_1,events_2,events_2a partitioned rows=300"},
	{name: "view on partitioned", reads: "v_events", want: "reads=events,events_1,events_2,events_2a partitioned rows=300"},
	{name: "partition", reads: "events_1", want: "reads=events_1 rows=100"},
	{name: "inherited", reads: "base", want: "reads=base,derived,derived_more"},
	{name: "unlogged", reads: "scratch", want: "reads=scratch unlogged"},
	{name: "row security", reads: "secret", want: "reads=secret rls"},
	{name: "view over row security", reads: "v_secret", want: "reads=secret rls"},
	{name: "foreign", reads: "v_far", want: "reads=far foreign"},
	{name: "sequence", reads: "ids", want: "reads=ids system rows=1"},

	// what views call
	{name: "view with current_date", reads: "v_today", want: "reads=users stable=pg_catalog.now time rows=500"},
	{name: "view with now", reads: "v_now", want: "reads=users stable=pg_catalog.now time rows=500"},
	{name: "view with current_user", reads: "v_me", want: "reads=users stable=pg_catalog.current_user rows=500"},
	{name: "view with random", reads: "v_random", want: "reads=users volatile=pg_catalog.random rows=500"},
	{name: "view with nextval", reads: "v_next", want: "reads=users volatile=pg_catalog.nextval effects rows=500"},
	{name: "view with a stable function", reads: "v_stable", want: "reads=users reads?=function stable=app.f_stable rows=500"},
	{name: "view with effects", reads: "v_on_effect", want: "reads=users writes?=function reads?=function volatile=app.f_volatile effects rows=500"},

	// what is written
	{name: "insert", kind: parser.Insert, writes: "users", want: "writes=users"},
	{name: "partition changes its parents", kind: parser.Insert, writes: "events_2a", want: "writes=events,events_2,events_2a"},
	{name: "parent changes its partitions", kind: parser.Insert, writes: "events", want: "writes=events,events_1,events_2,events_2a"},
	{name: "descendants' other parents", kind: parser.Update, writes: "base", want: "writes=base,base2,derived,derived_more"},
	{name: "cascade", kind: parser.Delete, writes: "orders", want: "writes=items,notes,orders"},
	{name: "cascade of a partition", kind: parser.Delete, writes: "days_1", want: "writes=days,days_1,entries"},
	{name: "truncate", kind: parser.Truncate, writes: "orders", want: "writes=bills,items,notes,orders"},
	{name: "through a view", kind: parser.Update, writes: "v_users", want: "writes=users"},
	{name: "foreign write", kind: parser.Insert, writes: "far", want: "writes=far writes?=foreign table"},
	{name: "trigger on its row", kind: parser.Update, writes: "touched", want: "writes=touched"},
	{name: "trigger that writes", kind: parser.Insert, writes: "audited", want: "writes=audited writes?=trigger"},
	{name: "trigger that calls a writer", kind: parser.Insert, writes: "indirect", want: "writes=indirect writes?=trigger"},
	{name: "trigger that sets", kind: parser.Insert, writes: "sessioned", want: "writes=sessioned state"},
	{name: "disabled trigger", kind: parser.Insert, writes: "disabled", want: "writes=disabled"},
	{name: "text search trigger", kind: parser.Insert, writes: "documents", want: "writes=documents"},
	{name: "rule", kind: parser.Insert, writes: "ruled", want: "writes=ruled writes?=rule"},
	{name: "default", kind: parser.Insert, writes: "defaulted", want: "writes=defaulted writes?=default state"},
	{name: "system catalogue", kind: parser.Update, writes: "pg_class", want: "writes=pg_catalog.pg_class writes?=system catalogue system"},

	// functions
	{name: "built-in immutable", calls: "upper", want: ""},
	{name: "built-in stable", calls: "now to_char", want: "stable=pg_catalog.now"},
	{name: "built-in of the server", calls: "now pg_backend_pid", want: "stable=pg_catalog.pg_backend_pid pins=backend_pid system"},
	{name: "random", calls: "random now", want: "volatile=pg_catalog.random"},
	{name: "nextval", calls: "nextval", want: "volatile=pg_catalog.nextval effects"},
	{name: "currval", calls: "currval", want: "volatile=pg_catalog.currval effects pins=sequence system"},
	{name: "advisory lock", calls: "pg_advisory_lock", want: "volatile=pg_catalog.pg_advisory_lock effects state pins=advisory_lock system"},
	{name: "advisory lock of the transaction", calls: "pg_advisory_xact_lock", want: "volatile=pg_catalog.pg_advisory_xact_lock effects system"},
	{name: "set_config", calls: "set_config", want: "volatile=pg_catalog.set_config effects state system"},
	{name: "transaction id", calls: "pg_current_xact_id", want: "stable=pg_catalog.pg_current_xact_id effects system"},
	{name: "query_to_xml", calls: "query_to_xml", want: "writes?=function reads?=function volatile=pg_catalog.query_to_xml effects state"},
	{name: "table_to_xml", calls: "table_to_xml", want: "reads?=function stable=pg_catalog.table_to_xml"},
	{name: "immutable", calls: "f_immutable", want: ""},
	{name: "worst of the path", calls: "f_immutable", path: "app, other", want: "reads?=function stable=other.f_immutable"},
	{name: "stable", calls: "f_stable", want: "reads?=function stable=app.f_stable"},
	{name: "volatile", calls: "f_volatile", want: "writes?=function reads?=function volatile=app.f_volatile effects"},
	{name: "worst overload", calls: "f_over", want: "writes?=function reads?=function volatile=app.f_over effects"},
	{name: "sets", calls: "f_set", want: "writes?=function reads?=function volatile=app.f_set effects state"},
	{name: "calls one that sets", calls: "f_calls_set", want: "writes?=function reads?=function volatile=app.f_calls_set effects state"},
	{name: "stable that sets after all", calls: "f_calls_twice", want: "reads?=function stable=app.f_calls_twice state"},
	{name: "body as a tree", calls: "f_atomic", want: "writes?=function reads?=function volatile=app.f_atomic effects state"},
	{name: "aggregate", calls: "agg_sum count", want: ""},
	{name: "extension in C", calls: "similarity", want: ""},
	{name: "extension that runs SQL", calls: "crosstab", want: "reads?=function stable=public.crosstab"},
	{name: "extension that sets", calls: "set_limit", want: "writes?=function reads?=function volatile=public.set_limit effects state"},
	{name: "random uuid", calls: "uuid_generate_v4", want: "volatile=public.uuid_generate_v4"},

	// kinds
	{name: "call", kind: parser.Call, calls: "p_work", want: "writes?=function reads?=function volatile=app.p_work effects"},
	{name: "do", kind: parser.Do, want: "writes?=do reads?=do state"},
	{name: "ddl", kind: parser.DDL, want: "writes?=ddl"},
	{name: "execute", kind: parser.Execute, want: "writes?=execute reads?=execute"},
}

func TestResolveQuotedNames(t *testing.T) {
	db := newTestDatabase(t, true)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	f := &parser.Facts{Statements: []parser.Statement{{Kind: parser.Select, Reads: []parser.Name{{Name: `Odd, "name"`}}}}}
	require.Equal(t, `reads=Mixed Case.Odd, "name"`, show(c, db, c.Resolve(db, f, `"Mixed Case"`, "alice")))
	require.Equal(t, `unknown=Odd, "name"`, show(c, db, c.Resolve(db, f, `mixed case`, "alice")))
}

func TestResolveOpaqueAndSeveral(t *testing.T) {
	db := newTestDatabase(t, true)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	opaque := &parser.Facts{Reason: "syntax", Statements: []parser.Statement{{Kind: parser.Opaque}}}
	require.Equal(t, "writes?=opaque reads?=opaque", show(c, db, c.Resolve(db, opaque, appPath, "alice")))
	several := &parser.Facts{Statements: []parser.Statement{
		{Kind: parser.Select, Reads: names("users")},
		{Kind: parser.Insert, Writes: names("orders")},
	}}
	require.Equal(t, "reads=users writes=items,notes,orders rows=500", show(c, db, c.Resolve(db, several, appPath, "alice")))
}
