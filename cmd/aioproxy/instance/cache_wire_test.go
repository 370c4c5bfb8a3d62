package instance_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// wireShape is a way in which drivers ask: rounds of messages up to a Sync or a Query, of which one runs the statement.
type wireShape struct {
	rounds [][]pgproto3.FrontendMessage
	runs   int
}

func wireShapes(sql string) map[string]wireShape {
	parse, named := &pgproto3.Parse{Query: sql}, &pgproto3.Parse{Name: "s1", Query: sql}
	text, binary := &pgproto3.Bind{}, &pgproto3.Bind{ResultFormatCodes: []int16{1}}
	mixed := &pgproto3.Bind{ResultFormatCodes: []int16{0, 1, 0, 1, 0, 1}}
	bindS1 := &pgproto3.Bind{PreparedStatement: "s1", ResultFormatCodes: []int16{1}}
	statement, portal := &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Describe{ObjectType: 'P'}
	ofS1, closeS1 := &pgproto3.Describe{ObjectType: 'S', Name: "s1"}, &pgproto3.Close{ObjectType: 'S', Name: "s1"}
	run, sync := &pgproto3.Execute{}, &pgproto3.Sync{}
	type round = []pgproto3.FrontendMessage
	return map[string]wireShape{
		"simple":            {rounds: []round{{&pgproto3.Query{String: sql}}}},
		"portal, text":      {rounds: []round{{parse, text, portal, run, sync}}},
		"portal, binary":    {rounds: []round{{parse, binary, portal, run, sync}}},
		"portal, mixed":     {rounds: []round{{parse, mixed, portal, run, sync}}},
		"nothing, text":     {rounds: []round{{parse, text, run, sync}}},
		"nothing, binary":   {rounds: []round{{parse, binary, run, sync}}},
		"statement, text":   {rounds: []round{{parse, statement, text, run, sync}}},
		"statement, binary": {rounds: []round{{parse, statement, binary, run, sync}}},
		"both, binary":      {rounds: []round{{parse, statement, binary, portal, run, sync}}},
		"both, mixed":       {rounds: []round{{parse, statement, mixed, portal, run, sync}}},
		"lib/pq":            {rounds: []round{{parse, statement, sync}, {text, run, sync}}, runs: 1},
		"named at once":     {rounds: []round{{named, bindS1, portal, run, sync}, {closeS1, sync}}},
		"named in steps":    {rounds: []round{{named, ofS1, sync}, {bindS1, portal, run, sync}, {closeS1, sync}}, runs: 1},
		"named, late":       {rounds: []round{{named, sync}, {ofS1, bindS1, run, sync}, {closeS1, sync}}, runs: 1},
	}
}

// play runs a shape and returns the bytes of all its answers.
func (s wireShape) play(r *rawConn) (answers [][]byte, status string) {
	r.t.Helper()
	for i, round := range s.rounds {
		answers = append(answers, r.exchange(round...))
		if i == s.runs && status == "" {
			status = r.cacheStatus()
		}
	}
	return answers, status
}

func TestCacheHitHasTheBytesOfDirect(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_bytes", itemsSchema)
	f := start(t, bed, keepAll)
	conn := connect(t, f.dsn(db))
	for name, where := range map[string]string{"rows": "id < 10 OR id = 51", "one": "id = 7", "none": "id < 0"} {
		t.Run(name, func(t *testing.T) {
			sql := "SELECT id, name, price, at, data, ratio FROM items WHERE " + where + " ORDER BY id"
			known(t, conn, sql)
			direct := dialRaw(t, bed.Primary().Host, bed.Primary().Port, db, nil)
			proxied := dialRaw(t, f.host, f.port, db, nil)
			for shape := range wireShapes("") {
				own := wireShapes(fmt.Sprintf("/* %s %s */ %s", name, shape, sql))[shape]
				shared := wireShapes(sql)[shape] // whose result any shape may have brought
				var statuses []string
				for range 3 {
					want, _ := own.playDirect(direct)
					got, status := own.play(proxied)
					require.Equal(t, want, got, shape)
					statuses = append(statuses, status)
					want, _ = shared.playDirect(direct)
					got, _ = shared.play(proxied)
					require.Equal(t, want, got, "%s after other shapes", shape)
				}
				require.Equal(t, []string{"miss", "hit", "hit"}, statuses, shape)
			}
		})
	}
}

// playDirect is play where nobody can be asked what happened. A simple query takes the place of the question.
func (s wireShape) playDirect(r *rawConn) (answers [][]byte, status string) {
	r.t.Helper()
	for i, round := range s.rounds {
		answers = append(answers, r.exchange(round...))
		if i == s.runs {
			r.exchange(&pgproto3.Query{String: "SELECT 1"})
		}
	}
	return answers, ""
}

func TestCacheKeyCoversParameters(t *testing.T) {
	t.Parallel()
	db := sample(t, bed, "cache_params", itemsSchema)
	f := start(t, bed, keepAll)
	known(t, connect(t, f.dsn(db)), "SELECT count(*) FROM items")
	direct := dialRaw(t, bed.Primary().Host, bed.Primary().Port, db, nil)
	proxied := dialRaw(t, f.host, f.port, db, nil)
	ask := func(sql string, oids []uint32, formats []int16, values ...[]byte) string {
		t.Helper()
		messages := []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: sql, ParameterOIDs: oids},
			&pgproto3.Bind{ParameterFormatCodes: formats, Parameters: values},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		}
		require.Equal(t, direct.exchange(messages...), proxied.exchange(messages...), "%s %q", sql, values)
		return proxied.cacheStatus()
	}
	const byID, byName = "SELECT name FROM items WHERE id = $1", "SELECT id, $2::text FROM items WHERE name = $1"
	const kind = "SELECT $1, id FROM items WHERE id = 1"
	for _, c := range []struct {
		want, sql string
		oids      []uint32
		formats   []int16
		values    [][]byte
	}{
		{"miss", byID, nil, nil, [][]byte{[]byte("1")}},
		{"miss", byID, nil, nil, [][]byte{[]byte("2")}},
		{"hit", byID, nil, nil, [][]byte{[]byte("1")}},
		{"miss", byID, nil, []int16{1}, [][]byte{{0, 0, 0, 2}}},
		{"hit", byID, nil, []int16{1}, [][]byte{{0, 0, 0, 2}}},
		{"miss", byID, []uint32{23}, nil, [][]byte{[]byte("1")}},
		{"miss", byID, nil, nil, [][]byte{nil}},
		{"miss", byName, nil, nil, [][]byte{[]byte("item 1"), nil}},
		{"miss", byName, nil, nil, [][]byte{[]byte("item 1"), {}}},
		{"miss", byName, nil, nil, [][]byte{[]byte("item 1"), []byte("x")}},
		{"hit", byName, nil, nil, [][]byte{[]byte("item 1"), {}}},
		{"miss", kind, []uint32{25}, nil, [][]byte{[]byte("1")}},
		{"miss", kind, []uint32{20}, nil, [][]byte{[]byte("1")}},
		{"hit", kind, []uint32{25}, nil, [][]byte{[]byte("1")}},
	} {
		require.Equal(t, c.want, ask(c.sql, c.oids, c.formats, c.values...), "%s %v %v %q", c.sql, c.oids, c.formats, c.values)
	}
}
