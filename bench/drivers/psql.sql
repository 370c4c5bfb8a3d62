-- What people do with psql. It connects as the PG* variables say; the outputs of two servers are compared.
\set VERBOSITY verbose
\set SHOW_CONTEXT always
\pset null '(null)'
\echo == aggregate
SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind;
SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind;
INSERT INTO events VALUES (0, 'psql', 1.5, '2030-01-01T00:00:00Z');
SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind;
DELETE FROM events WHERE kind = 'psql';
SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind \g
\echo == tables
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, age int, note text);
CREATE TABLE log (id int, line text);
INSERT INTO users (name, age) VALUES ('ada', 30), ('grace', 31), ('edsger', 32) RETURNING id;
\d users
\dt
SELECT * FROM users WHERE age > 30 AND note IS NULL ORDER BY id;
\echo == types
CREATE TABLE everything (id int PRIMARY KEY, n numeric(20,6), t timestamptz, j jsonb, tags text[], grid int[][], raw bytea,
	u uuid, d interval, r int4range, ok boolean, f float8, day date, addr inet);
INSERT INTO everything VALUES (1, -12345678901.123456, '2024-02-29 23:59:59.123456Z', '{"a": [1, 2], "b": null}', '{x,"q\"uo,te",""}', '{{1,2},{3,4}}',
	'\x0001ff5c', '2f1c0a3e-8a6b-4d0e-9f36-0123456789ab', '36:00:00.000001', '[1,5)', true, 1e-300, '2024-02-29', '10.1.2.3/8'), (2);
INSERT INTO everything (id) VALUES (2);
SELECT * FROM everything ORDER BY id \gx
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SET bytea_output = 'escape';
SELECT t, day, raw, n * 2.5 FROM everything ORDER BY id;
RESET ALL;
SELECT t, day, raw FROM everything ORDER BY id;
\echo == prepared
PREPARE by_age (int) AS SELECT id, name FROM users WHERE age = $1;
EXECUTE by_age (30);
EXECUTE by_age (31);
DEALLOCATE by_age;
EXECUTE by_age (32);
SELECT id, name FROM users WHERE age = 31 \gset found_
\echo :found_id :found_name
SELECT 'a' \; SELECT 'b' \; SELECT 1/0 \; SELECT 'c';
\gdesc
SELECT format('SELECT %s AS n', i) FROM generate_series(1, 3) i \gexec
\set FETCH_COUNT 7
SELECT id FROM events ORDER BY id LIMIT 20;
\unset FETCH_COUNT
\echo == transactions
BEGIN;
UPDATE users SET note = 'committed' WHERE name = 'ada';
SAVEPOINT before;
INSERT INTO users (name) VALUES ('ada');
SELECT 1;
ROLLBACK TO SAVEPOINT before;
SELECT name, note FROM users ORDER BY id;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
DELETE FROM users;
SELECT count(*) FROM users;
ROLLBACK;
BEGIN READ ONLY;
SELECT count(*) FROM users WHERE note = 'committed';
DELETE FROM users;
ROLLBACK;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT count(*) FROM users;
COMMIT;
\echo == errors
SELEKT 1;
SELECT * FROM nowhere;
SELECT 1/0;
INSERT INTO users (name) VALUES ('grace');
DO $$ BEGIN RAISE NOTICE 'hear, hear' USING HINT = 'listen'; END $$;
SELECT count(*) FROM users;
\echo == copy
COPY log FROM STDIN;
1	one
2	\N
3	three\ttabs
\.
COPY log FROM STDIN;
4	four
x	no number
\.
COPY log TO STDOUT (FORMAT csv, HEADER);
\copy (SELECT id, line FROM log WHERE id > 1) TO STDOUT
\copy (SELECT i, repeat('x', i % 50) FROM generate_series(1000, 5999) i) TO 'lines.txt'
\copy log FROM 'lines.txt'
SELECT count(*), sum(length(line)) FROM log;
\echo == session
CREATE TEMP TABLE mine AS SELECT 1 AS a;
SELECT * FROM mine;
SELECT currval('users_id_seq'), lastval();
LISTEN news;
NOTIFY news, 'hello';
DISCARD ALL;
SELECT * FROM mine;
EXPLAIN (COSTS OFF) SELECT * FROM users WHERE name = 'ada';
\echo == aggregate again
SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind;
SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind;
