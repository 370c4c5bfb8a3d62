package compose

import (
	"fmt"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

var copyPieces = []kind{
	{"copy in", 4, func(g *gen) []Step {
		end := one(g, frames.C("CopyDone"), frames.C("CopyDone"), frames.C("CopyFail", "no more"))
		data := one(g, "20\tcopied\t1\n21\t\\N\t2\n", "22\tonly two\n", "1\tduplicate\t1\n", "x\ty\tz\n", "")
		return []Step{
			until("GZ", frames.C("Query", g.sql("COPY "+one(g, "a", "a", "$S.a", "nowhere")+" FROM STDIN"))), g.copied(data, end),
			query("DELETE FROM a WHERE id BETWEEN 20 AND 29"),
		}
	}},
	{"copy in at once", 3, func(g *gen) []Step {
		return []Step{{Commands: []frames.Command{
			frames.C("Query", "COPY log(what) FROM STDIN"), frames.C("CopyData", "one\ntw"),
			frames.C("CopyData", "o\n"), frames.C("CopyDone"),
		}}, query("SELECT count(*) FROM log")}
	}},
	{"copy in extended", 2, func(g *gen) []Step {
		return []Step{{Commands: []frames.Command{
			frames.C("Parse", "", "COPY log(what) FROM STDIN"), frames.C("Bind", "", ""),
			frames.C("Execute", "", "0"), frames.C("CopyData", "ext\n"), one(g, frames.C("CopyDone"), frames.C("CopyFail", "ext")), syncMessage,
		}}}
	}},
	{"copy out", 4, func(g *gen) []Step {
		return g.run("COPY " + one(g, "(SELECT * FROM a ORDER BY id)", "(SELECT * FROM kinds ORDER BY id)",
			"(SELECT 1/(3-id) FROM a ORDER BY id)", "big", "(TABLE va ORDER BY id)") + " TO STDOUT" + one(g, "",
			" WITH (FORMAT csv, HEADER)", " (FORMAT binary)"))
	}},
	{"copy among others", 2, func(g *gen) []Step {
		return []Step{{Commands: []frames.Command{
			frames.C("Query",
				"SELECT 1; COPY log(what) FROM STDIN; SELECT count(*) FROM log; COPY (SELECT what FROM log ORDER BY id) TO STDOUT"),
			frames.C("CopyData", "among\n"), frames.C("CopyDone"),
		}}}
	}},
	{"copy in a transaction", 2, func(g *gen) []Step {
		return []Step{query("BEGIN"), {Commands: []frames.Command{frames.C("Query", "COPY log(what) FROM STDIN"), frames.C("CopyData",
			"tx\n"), frames.C("CopyDone")}}, query(g.end()), query("SELECT count(*) FROM log")}
	}},
}

// copied is COPY data and its end. Where the COPY failed at once, the answer has come already and the server ignores these.
func (g *gen) copied(data string, end frames.Command) Step {
	return until("Z", frames.C("CopyData", data), end).after("G")
}

var endPieces = []kind{
	{"cancel", 3, func(g *gen) []Step {
		g.count++
		sql := fmt.Sprintf("SELECT pg_sleep(60) /* composed cancel %d.%d */", g.index, g.count)
		steps := []Step{{Action: Cancel, Commands: []frames.Command{frames.C("Query", sql)}}, query("SELECT 'after'")}
		if g.IntN(3) == 0 {
			steps[0].Commands = append(append(unnamed(sql), unnamed("SELECT 2")...), syncMessage)
		}
		if g.IntN(3) == 0 {
			steps = append(append([]Step{query("BEGIN")}, steps...), query(g.end()))
		}
		return steps
	}},
	{"drop", 3, func(g *gen) []Step { return append(g.beforeEnd(true), Step{Action: Drop}, query(g.state())) }},
	{"terminate", 3, func(g *gen) []Step { return append(g.beforeEnd(false), Step{Action: Terminate}, query(g.state())) }},
	{"ended by itself", 1, func(g *gen) []Step { return g.queries("SELECT pg_terminate_backend(pg_backend_pid())", g.state()) }},
}

// beforeEnd is what a client may be in the middle of when it leaves. One that says good-bye does not do so without a Sync or
// while it copies: what answers to that arrive depends on when the server notices.
func (g *gen) beforeEnd(abruptly bool) []Step {
	n := 5
	if abruptly {
		n = 8
	}
	switch g.IntN(n + 1) {
	case 0:
		return g.queries("BEGIN; UPDATE a SET v = 'lost'")
	case 1:
		return g.queries("CREATE TEMP TABLE tt(x int)", "SELECT pg_advisory_lock($I, 1)")
	case 2:
		return g.queries("SET ROLE cr$I; SET work_mem = '11MB'; LISTEN s$I_l")
	case 3:
		return g.queries("SELECT f_set('my.app', 'leaks', false)", "SELECT f_set('TimeZone', 'Asia/Tokyo', false)")
	case 4:
		return []Step{send(frames.C("Parse", "", g.sql("SELECT * FROM big")), frames.C("Bind", "", ""), frames.C("Execute", "", "1"), frames.C("Flush"))}
	case 5:
		return nil
	case 6:
		return []Step{send(unnamed("SELECT 1")...)} // no Sync, and nothing is waited for
	}
	return []Step{until("GZ", frames.C("Query", "COPY log(what) FROM STDIN"))}
}

var lookPieces = []kind{{"look", 6, look}}

// look asks for all that a session can have.
func look(g *gen) []Step {
	return g.queries("ROLLBACK", g.state(), g.cursors(), g.channels(), g.locks(),
		"SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'work_mem', 'DateStyle', 'TimeZone', 'IntervalStyle', 'extra_float_digits', 'bytea_output', "+
			"'application_name', 'client_min_messages', 'standard_conforming_strings', 'client_encoding', 'enable_seqscan', "+
			"'statement_timeout', 'lock_timeout', 'default_transaction_isolation', "+
			"'default_transaction_read_only', 'row_security', 'array_nulls', 'lc_monetary', 'xmloption', 'default_text_search_config', 'quote_all_identifiers', 'check_function_bodies', "+
			"'temp_buffers', 'session_replication_role') ORDER BY name",
		"SELECT nullif(current_setting('my.app', true), ''), nullif(current_setting('my.other', true), ''), nullif(current_setting('my.trig', true), '')")
}
