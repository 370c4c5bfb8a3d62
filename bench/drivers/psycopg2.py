"""Does with psycopg2 what applications do, and prints what it saw. It connects as the PG* variables say."""

import datetime
import decimal
import io
import threading

import psycopg2
import psycopg2.extras
import psycopg2.pool

AGGREGATE = """SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at)
    FROM events GROUP BY kind ORDER BY kind"""


def show(cursor, sql, args=None):
    cursor.execute(sql, args)
    for row in cursor.fetchall():
        print(*(bytes(v) if isinstance(v, memoryview) else v for v in row))
    print(cursor.statusmessage, [(c.name, c.type_code) for c in cursor.description])


def attempt(cursor, sql, args=None):
    try:
        cursor.execute(sql, args)
        print(sql, "->", cursor.statusmessage)
    except psycopg2.Error as e:
        d = e.diag
        print(sql, "->", e.pgcode, d.message_primary, d.message_detail, d.table_name, d.constraint_name, d.statement_position)


def aggregates(cursor):
    """Reads twice, writes, and must then see the write."""
    show(cursor, AGGREGATE)
    show(cursor, AGGREGATE)
    cursor.execute("INSERT INTO events VALUES (0, 'psycopg2', 1.5, '2030-01-01T00:00:00Z')")
    show(cursor, AGGREGATE)
    cursor.execute("DELETE FROM events WHERE kind = %s", ("psycopg2",))
    show(cursor, AGGREGATE)


def tables(cursor):
    cursor.execute("""
        CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, age int, note text);
        CREATE TABLE log (id int, line text);
        CREATE TABLE everything (id int PRIMARY KEY, n numeric(20,6), t timestamptz, j jsonb, tags text[], grid int[][],
            raw bytea, u uuid, d interval, r int4range, ok boolean, f float8, day date)""")
    for i, name in enumerate(["ada", "grace", "edsger"]):
        show(cursor, "INSERT INTO users (name, age) VALUES (%s, %s) RETURNING id", (name, 30 + i))
    cursor.executemany("INSERT INTO log VALUES (%s, %s)", [(i, f"line {i}") for i in range(20)])
    psycopg2.extras.execute_values(cursor, "INSERT INTO log VALUES %s", [(100 + i, None) for i in range(250)])
    psycopg2.extras.execute_batch(cursor, "INSERT INTO log VALUES (%s, %s)", [(500 + i, "b") for i in range(250)])
    show(cursor, "SELECT * FROM users WHERE age > %s AND note IS NULL ORDER BY id", (30,))
    show(cursor, "SELECT count(*), count(line), max(id) FROM log")


def types(cursor):
    at = datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, datetime.timezone.utc)
    cursor.execute(
        "INSERT INTO everything VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (1, decimal.Decimal("-12345678901.123456"), at, psycopg2.extras.Json({"a": [1, 2], "b": None}), ["x", 'q"uo,te', ""],
         [[1, 2], [3, 4]], psycopg2.Binary(b"\0\1\xff\\"), "2f1c0a3e-8a6b-4d0e-9f36-0123456789ab", datetime.timedelta(hours=36, microseconds=1),
         psycopg2.extras.NumericRange(1, 5), True, 1e-300, at.date()))
    cursor.execute("INSERT INTO everything (id) VALUES (2)")
    show(cursor, "SELECT * FROM everything ORDER BY id")
    show(cursor, "SELECT n * %s, j->'a', tags[2], t AT TIME ZONE 'Asia/Tokyo' FROM everything WHERE id = %s", (decimal.Decimal("2.5"), 1))


def settings(cursor):
    """What a session set stays its own, whoever answers."""
    cursor.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET statement_timeout = '1234ms'")
    show(cursor, "SHOW statement_timeout")
    show(cursor, "SELECT max(at)::text FROM events")
    cursor.execute("RESET ALL")
    show(cursor, "SELECT max(at AT TIME ZONE 'UTC')::text FROM events")


def prepared(cursor):
    cursor.execute("PREPARE by_age (int) AS SELECT id, name FROM users WHERE age = $1")
    for age in range(30, 34):
        show(cursor, "EXECUTE by_age (%s)", (age,))
    cursor.execute("DEALLOCATE by_age")


def transactions(connection):
    """Without autocommit psycopg2 begins a transaction with the first statement."""
    connection.autocommit = False
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE users SET note = 'committed' WHERE name = 'ada'")
        cursor.execute("SAVEPOINT before")
        attempt(cursor, "INSERT INTO users (name) VALUES ('ada')")
        attempt(cursor, "SELECT 1")
        cursor.execute("ROLLBACK TO SAVEPOINT before")
        show(cursor, "SELECT name, note FROM users ORDER BY id")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users")
        show(cursor, "SELECT count(*) FROM users")
        connection.rollback()
        show(cursor, "SELECT count(*) FROM users")
        connection.rollback()
    with connection, connection.cursor("big") as cursor:  # a server-side cursor
        cursor.itersize = 100
        cursor.execute("SELECT id FROM events ORDER BY id LIMIT 1000")
        print(sum(row[0] for row in cursor))
    connection.set_session(readonly=True)
    with connection.cursor() as cursor:
        show(cursor, "SELECT count(*) FROM users WHERE note = 'committed'")
        attempt(cursor, "DELETE FROM users")
    connection.rollback()
    connection.set_session(readonly=False, autocommit=True)


def errors(cursor):
    for sql in ["SELEKT 1", "SELECT * FROM nowhere", "SELECT 1/0", "INSERT INTO users (name) VALUES ('grace')", "SELECT 1"]:
        attempt(cursor, sql)
    attempt(cursor, "SELECT %s::int", ("no number",))
    cursor.execute("DO $$ BEGIN RAISE NOTICE 'hear, hear'; END $$")
    print(cursor.connection.notices)
    show(cursor, "SELECT count(*) FROM users")


def copies(cursor):
    lines = "".join(f"{1000 + i}\t{'x' * (i % 50)}\n" for i in range(5000))
    cursor.copy_expert("COPY log FROM STDIN", io.StringIO(lines))
    print(cursor.statusmessage)
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT * FROM log ORDER BY id, line) TO STDOUT (FORMAT csv)", out)
    print(cursor.statusmessage, len(out.getvalue()))
    try:
        cursor.copy_expert("COPY log FROM STDIN", io.StringIO("1\tone\nx\ttwo\n"))
    except psycopg2.Error as e:
        print("bad line:", e.pgcode, e.diag.message_primary, e.diag.context)
    show(cursor, "SELECT count(*), sum(length(line)) FROM log")


def concurrent():
    """More threads than connections would be an error of this pool, so as many; each must get its own answers."""
    pool = psycopg2.pool.ThreadedConnectionPool(6, 6, "")
    sums = [0] * 6

    def work(i):
        connection = pool.getconn()
        connection.autocommit = True
        with connection.cursor() as cursor:
            for j in range(50):
                cursor.execute("SELECT %s::int, count(*) FROM log WHERE id < %s", (i * 1000 + j, i))
                a, b = cursor.fetchone()
                assert a == i * 1000 + j, (a, i, j)
                sums[i] += a + b
        pool.putconn(connection)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    pool.closeall()
    print(sums)


def main():
    connection = psycopg2.connect("")
    connection.autocommit = True
    cursor = connection.cursor()
    for step in [aggregates, tables, types, settings, prepared, errors, copies]:
        print("==", step.__name__)
        step(cursor)
    print("== transactions")
    transactions(connection)
    print("== pool")
    concurrent()
    print("== aggregates again")
    aggregates(cursor)
    connection.close()


main()
