'use strict'
// Does with node-postgres what applications do, and prints what it saw. It connects as the PG* variables say.

const { pipeline } = require('node:stream/promises')
const { Readable } = require('node:stream')
const { Client, Pool, types } = require('pg')
const copy = require('pg-copy-streams')

const aggregate = `SELECT kind, count(*), sum(amount), avg(amount)::numeric(12,4), max(at) FROM events GROUP BY kind ORDER BY kind`

types.setTypeParser(1114, (text) => text) // timestamp: as the server writes it

async function show (on, ...query) {
  const result = await on.query(...query)
  for (const one of [].concat(result)) {
    for (const row of one.rows) console.log(JSON.stringify(row))
    console.log(one.command, one.rowCount, one.fields.map((f) => `${f.name}:${f.dataTypeID}`).join(' '))
  }
}

async function attempt (on, ...query) {
  try {
    const r = await on.query(...query)
    console.log(JSON.stringify(query), '->', r.command, r.rowCount)
  } catch (e) {
    console.log(JSON.stringify(query), '->', e.code, e.message, e.detail, e.table, e.constraint, e.position)
  }
}

// Reads twice, writes, and must then see the write.
async function aggregates (pool) {
  await show(pool, aggregate)
  await show(pool, aggregate)
  await pool.query("INSERT INTO events VALUES (0, 'node', 1.5, '2030-01-01T00:00:00Z')")
  await show(pool, aggregate)
  await pool.query('DELETE FROM events WHERE kind = $1', ['node'])
  await show(pool, aggregate)
}

async function tables (pool) {
  await pool.query(`
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, age int, note text);
    CREATE TABLE log (id int, line text);
    CREATE TABLE everything (id int PRIMARY KEY, n numeric(20,6), t timestamptz, j jsonb, tags text[], grid int[][], raw bytea,
      u uuid, d interval, r int4range, ok boolean, f float8, day date)`)
  for (const [i, name] of ['ada', 'grace', 'edsger'].entries()) {
    await show(pool, 'INSERT INTO users (name, age) VALUES ($1, $2) RETURNING id', [name, 30 + i])
  }
  await show(pool, 'SELECT * FROM users WHERE age > $1 AND note IS NULL ORDER BY id', [30])
}

async function typesOf (pool) {
  await pool.query(`INSERT INTO everything VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '36:00:00.000001', '[1,5)', $9, $10, '2024-02-29')`, [
    1, '-12345678901.123456', new Date(Date.UTC(2024, 1, 29, 23, 59, 59, 123)), { a: [1, 2], b: null }, ['x', 'q"uo,te', ''], [[1, 2], [3, 4]],
    Buffer.from([0, 1, 0xff, 0x5c]), '2f1c0a3e-8a6b-4d0e-9f36-0123456789ab', true, 1e-300])
  await pool.query('INSERT INTO everything (id, n) VALUES ($1, $2)', [2, null])
  await show(pool, 'SELECT * FROM everything ORDER BY id')
  await show(pool, { text: 'SELECT n * $1, tags[2], t AT TIME ZONE $2 FROM everything WHERE id = $3', values: ['2.5', 'Asia/Tokyo', 1], rowMode: 'array' })
  await show(pool, { text: 'SELECT id, f, n::int8, ok FROM everything WHERE id = $1', values: [1], binary: false })
}

// Named statements are prepared once per connection and used again.
async function prepared (pool) {
  for (let i = 0; i < 4; i++) {
    await show(pool, { name: 'by-age', text: 'SELECT id, name FROM users WHERE age = $1', values: [30 + i] })
  }
  const client = await pool.connect()
  for (let i = 0; i < 20; i++) {
    await client.query({ name: 'insert-log', text: 'INSERT INTO log VALUES ($1, $2)', values: [i, `line ${i}`] })
  }
  await show(client, "SELECT count(*), min(line) FROM log; SELECT 'second'")
  client.release()
}

async function transactions (pool) {
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query("UPDATE users SET note = 'committed' WHERE name = $1", ['ada'])
  await client.query('SAVEPOINT before')
  await attempt(client, 'INSERT INTO users (name) VALUES ($1)', ['ada'])
  await attempt(client, 'SELECT 1')
  await client.query('ROLLBACK TO SAVEPOINT before')
  await show(client, 'SELECT name, note FROM users ORDER BY id')
  await client.query('COMMIT')
  await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
  await client.query('DELETE FROM users')
  await show(client, 'SELECT count(*) FROM users')
  await client.query('ROLLBACK')
  await client.query('BEGIN READ ONLY')
  await show(client, 'SELECT count(*) FROM users WHERE note = $1', ['committed'])
  await attempt(client, 'DELETE FROM users')
  await client.query('ROLLBACK')
  client.release()
}

async function errors (pool) {
  const client = await pool.connect()
  for (const sql of ['SELEKT 1', 'SELECT * FROM nowhere', 'SELECT 1/0', "INSERT INTO users (name) VALUES ('grace')", '', 'SELECT 1']) {
    await attempt(client, sql)
  }
  await attempt(client, 'SELECT $1::int', ['no number'])
  client.once('notice', (n) => console.log(n.severity, n.message))
  await client.query("DO $$ BEGIN RAISE NOTICE 'hear, hear'; END $$")
  await show(client, 'SELECT count(*) FROM users')
  client.release()
}

async function copies (pool) {
  const client = await pool.connect()
  const lines = Array.from({ length: 5000 }, (_, i) => `${1000 + i}\t${'x'.repeat(i % 50)}\n`)
  const into = client.query(copy.from('COPY log FROM STDIN'))
  await pipeline(Readable.from(lines), into)
  let bytes = 0
  const out = client.query(copy.to('COPY (SELECT * FROM log ORDER BY id) TO STDOUT (FORMAT csv)'))
  for await (const chunk of out) bytes += chunk.length
  console.log(into.rowCount, out.rowCount, bytes)
  await pipeline(Readable.from(['1\tone\nx\ttwo\n']), client.query(copy.from('COPY log FROM STDIN')))
    .catch((e) => console.log('bad line:', e.code, e.message, e.where))
  await show(client, 'SELECT count(*), sum(length(line)) FROM log')
  client.release()
}

async function notify (pool) {
  const listener = new Client()
  await listener.connect()
  const heard = new Promise((resolve) => listener.once('notification', resolve))
  await listener.query('LISTEN news')
  await pool.query("SELECT pg_notify('news', 'hello')")
  const n = await heard
  console.log(n.channel, n.payload)
  await listener.end()
}

// More callers than connections; each must get its own answers.
async function concurrent (pool) {
  const sums = await Promise.all(Array.from({ length: 16 }, async (_, i) => {
    let sum = 0
    for (let j = 0; j < 25; j++) {
      const { rows: [row] } = await pool.query('SELECT $1::int AS a, count(*)::int AS b FROM log WHERE id < $2', [i * 1000 + j, i])
      if (row.a !== i * 1000 + j) throw new Error(`caller ${i * 1000 + j} got the answer of ${row.a}`)
      sum += row.a + row.b
    }
    return sum
  }))
  console.log(sums.join(' '))
}

async function main () {
  const pool = new Pool({ max: 6 })
  for (const step of [aggregates, tables, typesOf, prepared, transactions, errors, copies, notify, concurrent, aggregates]) {
    console.log('==', step.name)
    await step(pool)
  }
  await pool.end()
}

main().catch((e) => { console.error(e); process.exitCode = 1 })
