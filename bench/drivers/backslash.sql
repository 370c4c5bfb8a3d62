-- What psql's backslash commands ask and show. It is fed to psql on the database of dump.sql; sizes and times are taken out.
\set VERBOSITY verbose
\set SHOW_CONTEXT always
\pset null '(null)'
\echo == objects
\d
\d parent
\d child
\d "Odd Name"."Table ""with"" quotes"
\d parts
\d parent_lower
\d other.counter
\d happy
\d elsewhere
\d pair
\d no_such_relation
\d pg_catalog.pg_class
\dt
\dt *.*p*
\di
\ds *.*
\dv
\dm
\dE
\dP
\df
\df+ add_one
\dfS int4*
\da
\dn
\dT
\dTS int*
\dD
\do
\doS = integer
\dO other.*
\dc
\dC mood
\dL
\dx
\dx+ pg_trgm
\dy
\dX
\dA
\dAc btree integer
\dAf btree integer
\dAo btree integer_ops
\dAp btree integer_ops
\dF
\dFd
\dFp
\dFt
\des
\dew
\deu
\det
\dRp
\dRs
\db
\du
\dg postgres
\drds
\ddp
\dp
\z parent
\dd
\dl
\l template*
\dconfig search_path
\dconfig enable_*
\sf add_one
\sf+ stamp
\sv happy
\sv+ happy
\pset format unaligned
\echo == with more
\d+
\d+ parent
\d+ child
\d+ parts
\d+ happy
\d+ totals
\dt+
\di+
\ds+
\dv+
\dm+
\df+
\dn+
\dT+
\dTS+ int4
\dD+
\do+
\dC+
\dL+
\dPn+
\dX+
\dA+
\dF+
\dF+ plain
\dFd+
\dFp+
\dFt+
\des+
\dew+
\deu+
\det+
\dRp+
\dRs+
\db+
\du+
\dp+
\l+ template*
\dS+ pg_class
\dfS+ pg_terminate_backend
\dconfig+ work_mem
\pset format aligned
\echo == session
\encoding
\encoding LATIN1
\encoding
SHOW client_encoding;
\encoding UTF8
\conninfo
\timing off
\c - trusted_member
SELECT current_user, session_user, current_database();
\d parent
SELECT * FROM child LIMIT 1;
\c - postgres
\c template1
SELECT current_database();
\c backslash postgres
\echo :DBNAME :USER :ENCODING :SERVER_VERSION_NUM
\errverbose
SELECT 1/0;
\errverbose
\set AUTOCOMMIT off
SELECT txid_current() IS NOT NULL;
INSERT INTO scratch VALUES (7, 7);
ROLLBACK;
SELECT count(*) FROM scratch WHERE a = 7;
COMMIT;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT no_such_column;
SELECT 'goes on';
COMMIT;
\unset ON_ERROR_ROLLBACK
\echo == results
SELECT 1 AS a, 'x' AS b, now()::date = current_date AS c \gdesc
SELECT id, name FROM parent WHERE id = 3 \gset got_
\echo :got_id :got_name
SELECT format('SELECT %s AS n, %L AS t', i, 'it''s ' || i) FROM generate_series(1, 3) i \gexec
SELECT region, id % 3 AS third, count(*) FROM parts GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview region third count
SELECT m, count(*) FROM parent GROUP BY m ORDER BY m \gx
SELECT 1 \; SELECT 2 \; SELECT 1/0 \; SELECT 3;
CREATE SEQUENCE watched START 1;
SELECT 10 / (3 - nextval('watched')) AS left \watch 0.05
SELECT id FROM parent ORDER BY id LIMIT 3 \g (format=csv tuples_only=on)
SELECT id FROM parent ORDER BY id LIMIT 3 \g | cat
\set FETCH_COUNT 100
SELECT id, region FROM parts WHERE id % 10 = 0 ORDER BY id;
\unset FETCH_COUNT
\echo == copy
\copy (SELECT id, name, m FROM parent WHERE id < 5 ORDER BY id) TO 'copied'
\copy (SELECT id, name, m FROM parent WHERE id < 4 ORDER BY id) TO PROGRAM 'cat' WITH (FORMAT csv, HEADER)
CREATE TABLE copied (id int, name text, m mood);
\copy copied FROM 'copied'
\copy copied (id, name) FROM STDIN CSV
100,"a, quoted
line"
101,other
\.
\copy copied FROM PROGRAM 'echo broken'
\copy copied TO STDOUT
\copy no_such_table TO 'copied'
COPY copied (id) FROM STDIN;
1
two
\.
COPY copied TO STDOUT (FORMAT csv, FORCE_QUOTE *);
\echo == large objects
\lo_export 424242 'object'
\lo_import 'object' 'a comment'
SELECT lo_get(:LASTOID);
\lo_unlink :LASTOID
\lo_unlink 424243
\lo_unlink 424243
\lo_list
\dl+
\lo_export 424243 'object'
BEGIN;
\lo_import 'object'
ROLLBACK;
SELECT count(*) FROM pg_largeobject_metadata;
\echo == password
\password trusted_member
secret
secret
SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'trusted_member';
\password trusted_member
one
another
\echo == text
\set name 'parent'
SELECT count(*) FROM :"name" WHERE note = :'name';
\if :{?name}
SELECT 'is set';
\endif
SELECT '(a;b' AS "odd;name", $$dollar ; quoted$$;
\d parent \dn
\p
\r
\c no_such_database
