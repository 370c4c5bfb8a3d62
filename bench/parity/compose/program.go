package compose

import (
	"fmt"
	"strings"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

// Program is all that one session does.
type Program struct {
	Name    string   // of the session, and of its schema
	Startup []string // name=value
	Pieces  []Piece
}

// Piece is a group of steps that belong together.
type Piece struct {
	Name  string
	Steps []Step
}

// Action is what a step does.
type Action uint8

// The actions.
const (
	Send      Action = iota // messages in one write, and waiting for their end
	Cancel                  // the same, but it is cancelled once it runs
	Drop                    // closes the connection without a word
	Terminate               // says good-bye
)

var actionNames = [...]string{"send", "cancel", "drop", "terminate"}

func (a Action) String() string { return actionNames[a] }

// Step is one write of a session's and the wait for what it causes.
type Step struct {
	Action   Action
	Commands []frames.Command
	// Until are types of messages any of which ends the wait, for what has no ReadyForQuery.
	Until string
	// After are types of which the message before must be for there to be a wait: nothing comes, for example, after an error
	// before the next Sync. Empty for any.
	After string
}

// ready is how many ReadyForQuery answer the step.
func (s *Step) ready() int {
	n := 0
	for _, c := range s.Commands {
		switch c.Verb {
		case "Query", "Sync", "Function":
			n++
		}
	}
	return n
}

func (s *Step) text() string {
	list := make([]string, len(s.Commands))
	for i, c := range s.Commands {
		list[i] = c.String()
	}
	return strings.Join(list, " ; ")
}

// lines writes a step as a script does. Where cancelled, marker is in the text of what runs.
func (s *Step) lines(name string) []string {
	switch s.Action {
	case Drop:
		return []string{name + ": drop"}
	case Terminate:
		return []string{name + ": Terminate", name + ": eof"}
	case Send, Cancel:
	}
	out := []string{name + ": " + s.text()}
	if s.Action == Cancel {
		out = append(out,
			fmt.Sprintf("await: select exists (select from pg_stat_activity where wait_event = 'PgSleep' and query like '%%%s%%')", s.marker()),
			name+": cancel")
	}
	for _, t := range s.Until {
		return append(out, fmt.Sprintf("%s: until %c", name, t))
	}
	if n := s.ready(); n > 0 {
		out = append(out, fmt.Sprintf("%s: wait %d", name, n))
	}
	return out
}

// marker is the comment that a statement to be cancelled has.
func (s *Step) marker() string {
	text := s.text()
	from := strings.Index(text, "/*")
	to := strings.Index(text, "*/")
	if from < 0 || to < from {
		return ""
	}
	return text[from+2 : to]
}

// pieces counts those of several programs.
func pieces(programs []Program) int {
	n := 0
	for i := range programs {
		n += len(programs[i].Pieces)
	}
	return n
}
