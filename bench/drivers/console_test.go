package drivers_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const consoleNode = `const { Client } = require('pg')
async function main () {
  const client = new Client()
  await client.connect()
  console.log((await client.query('SHOW VERSION')).rows[0].version)
  const pins = await client.query({ name: 'pins', text: 'SHOW PINS' })
  console.log(pins.rows.length, pins.fields.map(f => f.name + ':' + f.dataTypeID).join(' '))
  console.log((await client.query('SELECT 1').catch(e => e)).code)
  await client.end()
}
main()
`

const consolePython = `import psycopg2
connection = psycopg2.connect("")
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("SHOW VERSION")
print(cursor.fetchone()[0])
cursor.execute("SHOW PINS")
print(len(cursor.fetchall()), " ".join(f"{c.name}:{c.type_code}" for c in cursor.description))
try:
    cursor.execute("SELECT 1")
except psycopg2.Error as e:
    print(e.pgcode)
`

const consoleColumns = `0 pid:23 user:25 database:25 application_name:25 addr:25 reason:25 since:1184 age:701 node:25 server_pid:23 state:25`

// Drivers that know nothing of a console work with it.
func TestConsole(t *testing.T) {
	p := startProxy(t, "admin_users: postgres\n")
	for _, d := range []struct {
		name, file, program string
		prepare             func(*testing.T) []string
	}{
		{"node", "console.js", consoleNode, installNode},
		{"psycopg2", "console.py", consolePython, findPsycopg2},
	} {
		t.Run(d.name, func(t *testing.T) {
			line := d.prepare(t)
			last := len(line) - 1
			dir := filepath.Dir(line[last])
			if d.name != "node" {
				dir = t.TempDir() // node finds the driver beside its program
			}
			line[last] = filepath.Join(dir, d.file)
			require.NoError(t, os.WriteFile(line[last], []byte(d.program), 0o600))
			out, err := command(t.Context(), t, environment(p.host, p.port, "aioproxy"), line[0], line[1:]...)
			require.NoError(t, err)
			require.Regexp(t, `^aioproxy \S+[^\n]*\n`+consoleColumns+"\n42601\n$", out)
		})
	}
}
