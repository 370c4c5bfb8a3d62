DROP SCHEMA IF EXISTS $S CASCADE;
CREATE SCHEMA $S;
SET search_path = $S;
CREATE TABLE a(id int PRIMARY KEY, v text, n numeric(10,2));
INSERT INTO a SELECT i, 'v' || i, i * 1.5 FROM generate_series(1, 5) i;
CREATE TABLE b(id int REFERENCES a ON DELETE CASCADE DEFERRABLE, w text CHECK (w <> 'bad'));
CREATE TABLE big(id int PRIMARY KEY, g int, pad text);
INSERT INTO big SELECT i, i % 7, repeat('p', i % 50) FROM generate_series(1, 300) i;
CREATE TABLE kinds(id int PRIMARY KEY, raw bytea, at timestamptz, iv interval, f float8, d date, m money, x xml);
INSERT INTO kinds VALUES (1, '\x00ff5c', '2024-02-29 12:34:56.789+02', '1 year 2 mons -3 days 04:05:06', 1.0 / 3, '2024-12-31', 1234.5, NULL),
	(2, '', '1999-12-31 23:59:59Z', '-1 hour', 'infinity', '0044-03-15 BC', -1, '<a>1</a>');
CREATE TABLE log(id serial, what text);
CREATE VIEW va AS SELECT id, v FROM a WHERE id < 10;
CREATE VIEW vset AS SELECT coalesce(nullif(current_setting('my.app', true), ''), 'none') AS c;
CREATE MATERIALIZED VIEW mva AS SELECT count(*) AS c, max(id) AS m FROM a;
CREATE SEQUENCE sq;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE parted(id int, k int) PARTITION BY LIST (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES (1, 1), (2, 2);
CREATE FUNCTION f_set(name text, val text, loc bool) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN RETURN set_config(name, val, loc); END $$;
CREATE FUNCTION f_notice(level text, message text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	CASE level WHEN 'debug' THEN RAISE DEBUG '%', message; WHEN 'log' THEN RAISE LOG '%', message;
	WHEN 'info' THEN RAISE INFO '%', message; WHEN 'notice' THEN RAISE NOTICE '%', message USING DETAIL = 'detail', HINT = 'hint';
	WHEN 'warning' THEN RAISE WARNING '%', message USING ERRCODE = '01234'; ELSE RAISE EXCEPTION '%', message USING ERRCODE = 'XX123', TABLE = 'a'; END CASE;
	RETURN 1; END $$;
CREATE FUNCTION f_temp() RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN CREATE TEMP TABLE tt_f(a int); INSERT INTO tt_f VALUES (1); END $$;
CREATE FUNCTION f_lock(k int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock($I, k); END $$;
CREATE FUNCTION f_seed(x float8) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM setseed(x); END $$;
CREATE FUNCTION f_next() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('$S.sq') $$;
CREATE FUNCTION f_write(message text) RETURNS bigint LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO $S.log(what) VALUES (message); RETURN (SELECT count(*) FROM $S.log); END $$;
CREATE FUNCTION f_count() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM $S.a $$;
CREATE FUNCTION f_double(x int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT x * 2 $$;
CREATE FUNCTION f_path() RETURNS text LANGUAGE sql SET search_path = pg_catalog SET my.app = 'inside' AS
	$$ SELECT current_setting('search_path') || current_setting('my.app') $$;
CREATE FUNCTION f_listen() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LISTEN $S_f; END $$;
CREATE FUNCTION f_prepare() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'PREPARE pf AS SELECT 1 AS pf'; END $$;
CREATE FUNCTION f_cursor(c refcursor) RETURNS refcursor LANGUAGE plpgsql AS
	$$ BEGIN OPEN c FOR SELECT id FROM $S.big ORDER BY id; RETURN c; END $$;
CREATE FUNCTION f_srf(n int) RETURNS SETOF int LANGUAGE plpgsql AS
	$$ BEGIN FOR i IN 1..n LOOP RETURN NEXT i; RAISE NOTICE 'row %', i; END LOOP; END $$;
CREATE PROCEDURE p_commit(n int) LANGUAGE plpgsql AS
	$$ BEGIN FOR i IN 1..n LOOP INSERT INTO $S.log(what) VALUES ('p' || i); IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF; END LOOP; END $$;
CREATE PROCEDURE p_set(val text) LANGUAGE plpgsql AS
	$$ BEGIN PERFORM set_config('my.app', val, false); COMMIT; PERFORM set_config('my.app', val || '!', false); ROLLBACK; END $$;
CREATE PROCEDURE p_out(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN x := x + 1; END $$;
CREATE FUNCTION t_set() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN PERFORM set_config('my.trig', NEW.w, false); PERFORM set_config('work_mem', '2345kB', false); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION t_set();
GRANT ALL ON SCHEMA $S TO composer, cr$I;
GRANT ALL ON ALL TABLES IN SCHEMA $S TO composer;
GRANT ALL ON ALL SEQUENCES IN SCHEMA $S TO composer;
GRANT SELECT ON a, big TO cr$I;
RESET search_path;
