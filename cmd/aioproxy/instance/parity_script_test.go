package instance_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

// script is a conversation of one or more sessions. A line is
//
//	SESSION: VERB ARG ... ; VERB ARG ...   messages in one write, or one of the verbs of scriptRun.step
//	SESSION> SQL                            a Query of just this text, and waiting for its end
//	sql: STATEMENT                          on a connection of its own, not part of the comparison
//	await: QUERY                            until it returns true
//	connections N                           of the pool; 2 where nothing is said
//	loose                                   of errors, only severity and SQLSTATE are compared
//
// Package frames says how messages and their arguments are written.
type script struct {
	steps       []scriptStep
	connections int
	loose       bool
}

type scriptStep struct {
	line     int
	session  string
	text     string
	commands []frames.Command
}

func parseScript(t *testing.T, text string) *script {
	s := &script{connections: 2}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "loose":
			s.loose = true
			continue
		case strings.HasPrefix(line, "connections "):
			s.connections = frames.Number(strings.TrimPrefix(line, "connections "))
			continue
		}
		if session, sql, ok := strings.Cut(line, "> "); ok && !strings.ContainsAny(session, ": ") {
			s.steps = append(s.steps,
				scriptStep{line: i + 1, session: session, commands: []frames.Command{frames.C("Query", sql)}},
				scriptStep{line: i + 1, session: session, commands: []frames.Command{frames.C("wait")}})
			continue
		}
		session, rest, ok := strings.Cut(line, ":")
		require.True(t, ok, "line %d: SESSION: ...", i+1)
		st := scriptStep{line: i + 1, session: session, text: strings.TrimSpace(rest)}
		if session != "sql" && session != "await" {
			commands, err := frames.Parse(st.text)
			require.NoError(t, err, "line %d", i+1)
			st.commands = commands
		}
		s.steps = append(s.steps, st)
	}
	return s
}
