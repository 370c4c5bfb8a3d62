package admin

import (
	"slices"
	"strings"
	"time"
)

// Rights is what a user may do on the console.
type Rights uint8

// The rights, each with all before it.
const (
	Nothing Rights = iota
	Stats          // commands that only show
	Everything
)

var rightsNames = [...]string{"nothing", "stats", "everything"}

func (r Rights) String() string { return rightsNames[r] }

// Command is what the console understands. Names are words in upper case with one space between them.
type Command struct {
	Name    string
	Does    string
	Needs   Rights
	Columns []Column
	// Rows hands over the rows, each with a value for every column. The row may be used again once it was handed over.
	Rows func(row func(...Value))
}

// tag is what CommandComplete says.
func (c *Command) tag() string {
	word, _, _ := strings.Cut(c.Name, " ")
	return word
}

// Source is what the console asks the proxy. Its methods may be called from any goroutine.
type Source interface {
	Version() string
	Pins() []Pin
}

// Pin is one reason why a session keeps its server connection between transactions.
type Pin struct {
	PID                                  uint32 // what the client was told
	User, Database, Application, Address string // of the client
	Reason                               string
	Since                                time.Time
	Node                                 string
	ServerPID                            uint32
	State                                string
}

// Commands are the console's, sorted by name. A new one is a new entry.
func Commands(from Source) []Command {
	list := []Command{
		{
			Name: "SHOW PINS", Does: "sessions that keep their server connection between transactions, and why", Needs: Stats,
			Columns: pinColumns, Rows: func(row func(...Value)) { pinRows(from.Pins(), time.Now(), row) },
		},
		{
			Name: "SHOW VERSION", Does: "which aioproxy this is", Needs: Stats,
			Columns: []Column{{"version", Text}}, Rows: func(row func(...Value)) { row(TextValue(from.Version())) },
		},
	}
	return withHelp(list)
}

func withHelp(list []Command) []Command {
	help := Command{Name: "SHOW HELP", Does: "what the console understands", Needs: Stats, Columns: []Column{{"command", Text}, {"shows", Text}}}
	list = append(list, help)
	slices.SortFunc(list, func(a, b Command) int { return strings.Compare(a.Name, b.Name) })
	at := slices.IndexFunc(list, func(c Command) bool { return c.Name == help.Name })
	list[at].Rows = func(row func(...Value)) {
		for i := range list {
			row(TextValue(list[i].Name), TextValue(list[i].Does))
		}
	}
	return list
}

var pinColumns = []Column{
	{"pid", Integer},
	{"user", Text},
	{"database", Text},
	{"application_name", Text},
	{"addr", Text},
	{"reason", Text},
	{"since", Timestamp},
	{"age", Double}, // seconds
	{"node", Text},
	{"server_pid", Integer},
	{"state", Text},
}

func pinRows(pins []Pin, now time.Time, row func(...Value)) {
	for i := range pins {
		p := &pins[i]
		age := max(now.Sub(p.Since), 0).Truncate(time.Millisecond)
		row(IntegerValue(int32(p.PID)), TextValue(p.User), TextValue(p.Database), TextValue(p.Application), TextValue(p.Address),
			TextValue(p.Reason), TimestampValue(p.Since), DoubleValue(age.Seconds()), TextValue(p.Node),
			IntegerValue(int32(p.ServerPID)), TextValue(p.State))
	}
}
