-- What the tests look names up in. Rows are few: the catalogues are what matters.
CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA public;
CREATE EXTENSION IF NOT EXISTS tablefunc SCHEMA public;
CREATE SCHEMA app;
CREATE SCHEMA other;
CREATE SCHEMA "Mixed Case";
CREATE SCHEMA alice;
GRANT USAGE ON SCHEMA app, other TO PUBLIC;
SET search_path = app, public;

-- plain tables, the same name in several schemas, quoted names
CREATE TABLE users (id int PRIMARY KEY, name text);
INSERT INTO users SELECT i, 'n' || i FROM generate_series(1, 500) i;
CREATE TABLE other.users (id int);
CREATE TABLE alice.users (id int);
CREATE TABLE "Mixed Case"."Odd, ""name""" (id int);
CREATE UNLOGGED TABLE scratch (id int);
CREATE SEQUENCE ids;

-- views on views, materialized views
CREATE VIEW v_users AS SELECT * FROM users;
CREATE VIEW v_top AS SELECT u.id FROM v_users u WHERE EXISTS (SELECT FROM other.users o WHERE o.id = u.id);
CREATE MATERIALIZED VIEW m_users AS SELECT * FROM v_users;
CREATE VIEW v_mat AS SELECT * FROM m_users;
CREATE VIEW v_today AS SELECT *, current_date AS d FROM users;
CREATE VIEW v_now AS SELECT upper(name), to_char(now(), 'YYYY') FROM users;
CREATE VIEW v_me AS SELECT * FROM users WHERE name = current_user;
CREATE VIEW v_random AS SELECT * FROM users WHERE random() < 0.5;
CREATE VIEW v_next AS SELECT nextval('ids') FROM users;
CREATE VIEW v_classes AS SELECT relname FROM pg_class;

-- partitions of partitions, inheritance with two parents
CREATE TABLE events (id bigint, at date, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (kind);
CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES IN ('a');
INSERT INTO events SELECT i, '2024-01-10', 'a' FROM generate_series(1, 100) i;
INSERT INTO events SELECT i, '2024-02-10', 'a' FROM generate_series(1, 200) i;
CREATE VIEW v_events AS SELECT * FROM events;
CREATE TABLE base (id int);
CREATE TABLE base2 (other int);
CREATE TABLE derived (extra int) INHERITS (base, base2);
CREATE TABLE derived_more () INHERITS (derived);

-- foreign keys: orders -> items -> notes cascade, bills do not
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE notes (item_id int REFERENCES items ON DELETE SET NULL);
CREATE TABLE bills (order_id int REFERENCES orders);
CREATE TABLE days (at date PRIMARY KEY) PARTITION BY RANGE (at);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE entries (at date REFERENCES days ON DELETE CASCADE);

-- functions
CREATE FUNCTION f_immutable(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + 1';
CREATE FUNCTION f_stable(a int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) + a FROM app.users';
CREATE FUNCTION f_volatile(a int) RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE app.users SET name = 'SET x'; RETURN 1; END$$;
CREATE FUNCTION f_set() RETURNS text LANGUAGE sql AS $$SELECT set_config('app.x', 'y', false)$$;
CREATE FUNCTION f_calls_set() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN app.f_set(); END$$;
CREATE FUNCTION f_calls_twice() RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN "f_calls_set"(); END$$;
CREATE FUNCTION f_atomic() RETURNS bool LANGUAGE sql BEGIN ATOMIC SELECT pg_try_advisory_lock(1); END;
CREATE FUNCTION f_over(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION f_over(a text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$BEGIN DELETE FROM app.users; RETURN 1; END$$;
CREATE FUNCTION other.f_immutable(a text) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE AGGREGATE agg_sum(int) (SFUNC = int4pl, STYPE = int);
CREATE PROCEDURE p_work() LANGUAGE sql AS 'DELETE FROM app.users';
CREATE VIEW v_stable AS SELECT f_stable(id) FROM users;
CREATE VIEW v_on_effect AS SELECT * FROM (SELECT f_volatile(id) FROM users) q;

-- triggers, rules, defaults
CREATE FUNCTION t_touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF TG_OP = 'UPDATE' THEN NEW.name := 'updated'; END IF; -- insert nothing
  RETURN NEW; END$$;
CREATE FUNCTION t_audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO app.users VALUES (NEW.id); RETURN NEW; END$$;
CREATE FUNCTION t_indirect() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM app.f_volatile(1); RETURN NEW; END$$;
CREATE FUNCTION t_session() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  SET app.whom = 'x'; RETURN NEW; END$$;
CREATE TABLE touched (id int, name text);
CREATE TRIGGER t BEFORE UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION t_touch();
CREATE TABLE audited (id int);
CREATE TRIGGER t AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION t_audit();
CREATE TABLE indirect (id int);
CREATE TRIGGER t AFTER INSERT ON indirect FOR EACH ROW EXECUTE FUNCTION t_indirect();
CREATE TABLE sessioned (id int);
CREATE TRIGGER t AFTER INSERT ON sessioned FOR EACH ROW EXECUTE FUNCTION t_session();
CREATE TABLE disabled (id int);
CREATE TRIGGER t AFTER INSERT ON disabled FOR EACH ROW EXECUTE FUNCTION t_audit();
ALTER TABLE disabled DISABLE TRIGGER t;
CREATE TABLE documents (body text, words tsvector);
CREATE TRIGGER t BEFORE INSERT ON documents FOR EACH ROW
  EXECUTE FUNCTION tsvector_update_trigger(words, 'pg_catalog.english', body);
CREATE TABLE ruled (id int);
CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO app.users VALUES (1);
CREATE TABLE defaulted (id int DEFAULT length(f_set()));

-- row security, foreign tables
CREATE TABLE secret (id int, owner text);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE VIEW v_secret AS SELECT id FROM secret;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE far (line text) SERVER files OPTIONS (filename '/dev/null');
CREATE VIEW v_far AS SELECT * FROM far;

ANALYZE users, events, orders;
