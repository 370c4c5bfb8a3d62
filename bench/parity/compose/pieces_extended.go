package compose

import (
	"strconv"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

var extendedPieces = []kind{
	{"prepare", 8, func(g *gen) []Step {
		name := g.statement()
		return []Step{send(g.close(name, frames.C("Parse", name, g.sql(g.read())), frames.C("Describe", "S", name), syncMessage)...)}
	}},
	{"prepare again", 3, func(g *gen) []Step {
		return []Step{send(frames.C("Parse", g.statement(), g.sql(g.read())), syncMessage)}
	}},
	{"execute", 12, func(g *gen) []Step {
		return []Step{send(g.bound(g.statement())...)}
	}},
	{"parameters", 8, func(g *gen) []Step { return g.parameters() }},
	{"many parameters", 1, func(g *gen) []Step {
		n := 100 + g.IntN(5000)
		return []Step{send(frames.C("Parse", "", "SELECT count(*) FROM (VALUES (1)) x(a) WHERE 1 IN ("+dollars(n)+")"),
			frames.C("Bind", "", "", strconv.Itoa(n)+"*1"), frames.C("Execute", "", "0"), syncMessage)}
	}},
	{"pipeline", 8, func(g *gen) []Step { return []Step{send(g.pipeline(3+g.IntN(6), false)...)} }},
	{"pipeline with errors", 8, func(g *gen) []Step { return []Step{send(g.pipeline(3+g.IntN(6), true)...)} }},
	{"flush", 6, func(g *gen) []Step { return g.flushed() }},
	{"rows at a time", 5, func(g *gen) []Step {
		return []Step{
			send(frames.C("Parse", "p3", "SELECT generate_series(1, 7)"), frames.C("Bind", "", "p3"), frames.C("Execute", "", "3"),
				frames.C("Execute", "", "3"), frames.C("Execute", "", "3"), syncMessage),
			send(frames.C("Execute", "", "1"), syncMessage), send(frames.C("Close", "S", "p3"), syncMessage),
		}
	}},
	{"portals", 5, func(g *gen) []Step {
		read := g.sql("SELECT id, pad FROM big ORDER BY id")
		steps := []Step{
			query(one(g, "BEGIN", "BEGIN", "SELECT 1")),
			send(frames.C("Parse", "", read), frames.C("Bind", "q1", ""), frames.C("Execute", "q1", "2"), syncMessage),
		}
		for range 1 + g.IntN(3) {
			steps = append(steps, one(g, send(frames.C("Execute", "q1", "2"), syncMessage), send(frames.C("Describe", "P", "q1"), syncMessage),
				query(g.sql(g.work())), query(g.sql(g.wrong())), send(frames.C("Close", "P", "q1"), syncMessage), query("FETCH 1 FROM q1")))
		}
		return append(steps, query(g.end()))
	}},
	{"unnamed survives", 3, func(g *gen) []Step {
		return []Step{
			send(frames.C("Parse", "", g.sql(g.read())), frames.C("Describe", "S", ""), syncMessage), query(g.sql(one(g, g.set(), "SELECT 1", g.read()))),
			send(g.bound("")...), send(g.bound("")...),
		}
	}},
	{"unnamed in two", 4, func(g *gen) []Step {
		return []Step{send(frames.C("Parse", "", g.sql(g.read())), frames.C("Describe", "S", ""), syncMessage), send(g.bound("")...), send(g.bound("")...)}
	}},
	{"failed parse", 3, func(g *gen) []Step {
		name := g.statement()
		return []Step{send(g.close(name, frames.C("Parse", name, g.sql(g.wrong())), syncMessage)...), send(g.bound(name)...)}
	}},
	{"close", 3, func(g *gen) []Step {
		return []Step{send(frames.C("Close", one(g, "S", "P"), one(g, g.statement(), "none")), syncMessage)}
	}},
	{"two syncs", 1, func(g *gen) []Step { return []Step{send(syncMessage, syncMessage)} }},
	{"query in a pipeline", 2, func(g *gen) []Step {
		// After an error, the Query is ignored like all else up to the Sync.
		text := frames.C("Query", g.sql(g.read()))
		return append(g.queries("ROLLBACK"), one(g,
			send(append(unnamed("SELECT 1"), text, syncMessage)...), until("Z", append(unnamed("SELECT 1/0"), text, syncMessage)...)))
	}},
	{"begin in a pipeline", 4, func(g *gen) []Step {
		all := append(unnamed(g.begin()), unnamed(g.sql(g.work()))...)
		if g.IntN(2) == 0 {
			all = append(all, syncMessage)
		}
		all = append(append(all, unnamed(g.sql(one(g, g.work(), g.wrong())))...), unnamed(one(g, "COMMIT", "ROLLBACK"))...)
		return []Step{send(append(all, syncMessage)...), query("ROLLBACK")}
	}},
	{"set in a pipeline", 4, func(g *gen) []Step {
		all := append(unnamed(g.set()), unnamed(g.show())...)
		if g.IntN(3) == 0 {
			all = append(all, unnamed(g.wrong())...)
		}
		return []Step{send(append(all, syncMessage)...), query(g.show())}
	}},
	{"altered under a statement", 2, func(g *gen) []Step {
		return []Step{
			send(frames.C("Close", "S", "p1"), frames.C("Parse", "p1", "SELECT * FROM a ORDER BY id"), syncMessage), send(g.bound("p1")...),
			query(one(g, "ALTER TABLE a ADD COLUMN z int DEFAULT 1", "ALTER TABLE a DROP COLUMN z", "ALTER TABLE a ALTER n TYPE numeric(12,3)")), send(g.bound("p1")...),
			send(frames.C("Parse", "p2", "SELECT * FROM a ORDER BY id"), syncMessage), send(g.bound("p2")...), send(frames.C("Close", "S", "p2"), syncMessage),
		}
	}},
	{"mixed prepare", 3, func(g *gen) []Step {
		return []Step{send(frames.C("Close", "S", "p1"), frames.C("Parse", "p1", g.sql(g.read())), syncMessage), query(one(g, "EXECUTE p1",
			"DEALLOCATE p1", "PREPARE p1 AS SELECT 1")), send(g.bound("p1")...)}
	}},
	{"sql prepare and bind", 3, func(g *gen) []Step {
		return []Step{query("PREPARE ps(int) AS SELECT $1 + 1"), send(frames.C("Bind", "", "ps", "41"), frames.C("Execute", "", "0"),
			syncMessage), query("EXECUTE ps(1)"), query("DEALLOCATE ps")}
	}},
	{"deallocate all", 2, func(g *gen) []Step { return append([]Step{query("DEALLOCATE ALL")}, send(g.bound(g.statement())...)) }},
	{"statements listed", 2, func(g *gen) []Step {
		return []Step{query("SELECT name, statement, from_sql FROM pg_prepared_statements ORDER BY name")}
	}},
}

func (g *gen) statement() string { return one(g, "", "p1", "p2", "p3") }

// close puts a Close in front: most drivers do not prepare a name twice.
func (g *gen) close(name string, commands ...frames.Command) []frames.Command {
	if name == "" || g.IntN(8) == 0 {
		return commands
	}
	return append([]frames.Command{frames.C("Close", "S", name)}, commands...)
}

func (g *gen) bound(name string) []frames.Command {
	return []frames.Command{frames.C("Bind", "", name, one(g, "rf=0", "rf=0", "rf=1")), frames.C("Describe", "P", ""), frames.C("Execute", "", one(g, "0", "0", "1")), syncMessage}
}

// parameters executes a statement several times with parameters.
func (g *gen) parameters() []Step {
	sql, values := "SELECT id, v FROM a WHERE id = $1", []string{"1", "3", "77", "NULL", "x", "hex:31"}
	switch g.IntN(4) {
	case 0:
		sql = "SELECT g, count(*) FROM big WHERE g < $1 GROUP BY g ORDER BY g"
	case 1:
		sql = "SELECT $1::text || 'x'"
	case 2:
		sql = "UPDATE a SET n = n + 1 WHERE id = $1 RETURNING n"
	}
	name := g.statement()
	steps := []Step{send(g.close(name, frames.C("Parse", name, g.sql(sql)), frames.C("Describe", "S", name), syncMessage)...)}
	for range 1 + g.IntN(3) {
		steps = append(steps, send(frames.C("Bind", "", name, one(g, values...), one(g, "rf=0", "rf=1")), frames.C("Execute", "", "0"), syncMessage))
	}
	return steps
}

// pipeline is n extended statements, with a Sync here and there and at the end.
func (g *gen) pipeline(n int, errors bool) []frames.Command {
	var all []frames.Command
	for range n {
		sql := one(g, g.read(), g.work(), g.show())
		if errors && g.IntN(4) == 0 {
			sql = g.wrong()
		}
		all = append(all, unnamed(g.sql(sql))...)
		if errors && g.IntN(6) == 0 {
			all = append(all, frames.C("Bind", "", one(g, "p1", "p2", "none")), frames.C("Execute", "", "0"))
		}
		switch g.IntN(6) {
		case 0:
			all = append(all, syncMessage)
		case 1:
			all = append(all, frames.C("Flush"))
		}
	}
	return append(all, syncMessage)
}

// flushed goes through a statement message by message, without a Sync before its end.
func (g *gen) flushed() []Step {
	flush := frames.C("Flush")
	name, sql := g.statement(), g.sql(one(g, g.read(), g.read(), g.work(), g.wrong()))
	steps := []Step{
		until("1E", g.close(name, frames.C("Parse", name, sql), flush)...),
		until("2E", frames.C("Bind", "", name), flush).after("1"),
		until("TnE", frames.C("Describe", "P", ""), flush).after("2"),
		until("CsIE", frames.C("Execute", "", one(g, "0", "2")), flush).after("Tn"),
	}
	if g.IntN(2) == 0 {
		steps = append(steps, until("CsIE", frames.C("Bind", "", name), frames.C("Execute", "", "0"), flush).after("CsI"))
	}
	return append(steps, send(syncMessage))
}

func dollars(n int) string {
	b := []byte("$1")
	for i := 2; i <= n; i++ {
		b = strconv.AppendInt(append(b, ",$"...), int64(i), 10)
	}
	return string(b)
}
