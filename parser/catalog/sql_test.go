package catalog

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser/pgquery"
)

// From text to meaning: what the parser calls things is found here, and the worst that it means.
var sqlCases = []struct{ sql, want string }{
	{`SELECT count(*), sum(id), string_agg(name, ',') FROM users`, `reads=users rows=500`},
	{`SELECT trim(both 'x' FROM name), substring(name FROM 1 FOR 2), position('a' IN name), overlay(name PLACING 'b' FROM 1)
	  FROM users WHERE name LIKE 'a%' AND id BETWEEN 1 AND 2`, `reads=users rows=500`},
	{`SELECT coalesce(name, 'x'), nullif(id, 1), greatest(id, 2), CAST(id AS text) FROM users`, `reads=users rows=500`},
	{
		`SELECT extract(year FROM at), row_number() OVER (ORDER BY id) FROM events`,
		`reads=events,events_1,events_2,events_2a stable=pg_catalog.extract partitioned rows=300`,
	},
	{`SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM users`, `reads=users rows=500`},
	{
		`WITH x AS (SELECT * FROM v_top) SELECT * FROM x JOIN base ON true`,
		`reads=base,derived,derived_more,other.users,users rows=500`,
	},
	{`SELECT * FROM generate_series(1, 3) g, unnest(ARRAY[1]) u`, `stable=pg_catalog.generate_series`},
	{`SELECT f_volatile(id) FROM users`, `reads=users writes?=function reads?=function volatile=app.f_volatile effects rows=500`},
	{
		`SELECT F_Stable(1) FROM "Mixed Case"."Odd, ""name"""`,
		`reads=Mixed Case.Odd, "name" reads?=function stable=app.f_stable`,
	},
	{`WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d`, `reads=orders writes=items,notes,orders`},
	{`INSERT INTO events_1 SELECT * FROM events_2a`, `reads=events_2a writes=events,events_1 rows=200`},
	{`TRUNCATE orders CASCADE`, `writes=bills,items,notes,orders`},
	{`COPY users FROM STDIN`, `writes=users`},
	{`COPY (SELECT * FROM v_users) TO STDOUT`, `reads=users rows=500`},
	{`SELECT * FROM pg_catalog.pg_class`, `system`},
	{`SELECT * FROM nope.users`, `unknown=nope.users`},
	{`CALL p_work()`, `writes?=function reads?=function volatile=app.p_work effects`},
	{`DO $$BEGIN END$$`, `writes?=do reads?=do state`},
	{`BEGIN`, ``},
	{`SELECT 1`, ``},
}

func TestResolveSQL(t *testing.T) {
	db := newTestDatabase(t, true)
	c := newCatalog(DefaultConfig())
	require.NoError(t, c.Load(t.Context(), db))
	for _, tc := range sqlCases {
		f, err := pgquery.New().Analyze(tc.sql)
		require.NoError(t, err, tc.sql)
		assert.Equal(t, tc.want, show(c, db, c.Resolve(db, f, appPath, "alice")), tc.sql)
	}
}
