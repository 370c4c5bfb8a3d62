package catalog

// firstNormalOID is FirstNormalObjectId: objects below it came with PostgreSQL itself. They are "pinned": pg_depend does
// not record that anything depends on them, which is why views are read from their rules' trees.
//
// The queries are written for PostgreSQL 12 and later; all run in one read-only snapshot.

// safePath keeps operators that users made out of the queries: the control role may be a superuser (CVE-2018-1058).
const safePath = `SET LOCAL search_path = pg_catalog, pg_temp`

const querySchemas = `
SELECT n.nspname,
       EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
               WHERE a.grantee = 0 AND a.privilege_type = 'USAGE')
FROM pg_catalog.pg_namespace n`

const queryRelations = `
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text, c.relrowsecurity, c.reltuples::float8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`

const queryInherits = `SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits`

// queryViews finds what the SELECT rule of each view names. In the text of a tree blanks inside names are escaped, so
// that these patterns match fields only. A SQL value function (CURRENT_DATE, CURRENT_USER, ...) is a number: see svfUser.
const queryViews = `
SELECT DISTINCT r.ev_class, m.m[1], m.m[2]::bigint
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class,
     LATERAL pg_catalog.regexp_matches(r.ev_action::text,
         ':(relid|funcid|aggfnoid|winfnoid) (\d+)|\{(SQLVALUEFUNCTION) :op (\d+)', 'g') raw(g),
     LATERAL (SELECT ARRAY[coalesce(raw.g[1], raw.g[3]), coalesce(raw.g[2], raw.g[4])]) m(m)
WHERE r.ev_type = '1' AND c.relkind = 'v' AND c.oid >= 16384`

const queryRules = `
SELECT DISTINCT ev_class FROM pg_catalog.pg_rewrite WHERE ev_type <> '1' AND ev_enabled <> 'D'`

// queryBuiltins folds the overloads of PostgreSQL's own functions; the codes i, s and v sort from best to worst.
const queryBuiltins = `
SELECT n.nspname, p.proname, max(p.provolatile::text), pg_catalog.array_agg(p.oid)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid < 16384 GROUP BY 1, 2`

// queryFunctions has %s for how to get the body: since PostgreSQL 14 it may be a tree (BEGIN ATOMIC).
const queryFunctions = `
SELECT p.oid, n.nspname, p.proname, p.provolatile::text, l.lanname, coalesce(e.extname, ''),
       CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN %s ELSE '' END
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
     LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE p.oid >= 16384`

const (
	bodyText = `p.prosrc`
	bodyTree = `coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)`
)

const queryTriggers = `
SELECT t.tgrelid, n.nspname, p.proname
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'`

// queryOnWrite finds the users' functions that defaults and checks of a table call.
const queryOnWrite = `
SELECT coalesce(a.adrelid, k.conrelid), n.nspname, p.proname
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid
     LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND coalesce(a.adrelid, k.conrelid, 0) <> 0`

const queryForeignKeys = `
SELECT confrelid, conrelid, confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')
FROM pg_catalog.pg_constraint WHERE contype = 'f'`

const queryHasTimescale = `SELECT pg_catalog.to_regclass('_timescaledb_catalog.hypertable') IS NOT NULL`

const queryHypertables = `SELECT schema_name::text, table_name::text FROM _timescaledb_catalog.hypertable`

// queryDigest is equal for two snapshots between which nothing of the above changed: a row that was updated is another row
// version. Estimates of size are written in place and count when they changed by half. Temporary tables, which come and
// go, count only where they inherit.
const queryDigest = `
SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', kind, n, h), ' ' ORDER BY kind)
FROM (SELECT kind, count(*) n, sum(pg_catalog.hashtextextended(version, id::bigint)) h
      FROM (SELECT 'namespace' kind, oid id, xmin::text || ctid::text version
            FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
            UNION ALL
            SELECT 'class', oid, xmin::text || ctid::text || pg_catalog.round(2 * pg_catalog.ln(greatest(reltuples, 1)))::text
            FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
            UNION ALL
            SELECT 'inherits', inhrelid, inhparent::text FROM pg_catalog.pg_inherits
            UNION ALL
            SELECT 'proc', oid, xmin::text || ctid::text FROM pg_catalog.pg_proc
            UNION ALL
            SELECT 'rewrite', oid, xmin::text || ctid::text FROM pg_catalog.pg_rewrite
            UNION ALL
            SELECT 'trigger', oid, xmin::text || ctid::text FROM pg_catalog.pg_trigger
            UNION ALL
            SELECT 'constraint', oid, xmin::text || ctid::text FROM pg_catalog.pg_constraint
            UNION ALL
            SELECT 'attrdef', oid, xmin::text || ctid::text FROM pg_catalog.pg_attrdef
            UNION ALL
            SELECT 'extension', oid, xmin::text || ctid::text FROM pg_catalog.pg_extension) versions
      GROUP BY kind) kinds`
