package admin

import (
	"strings"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// Console answers one client of the admin database in PostgreSQL's protocol. Not safe for concurrent use.
type Console struct {
	commands   []Command
	rights     Rights
	write      func([]byte) error
	statements map[string]*Command // nil stands for an empty text
	portals    map[string]*portal
	failed     bool // an error in the extended protocol: ignore everything up to Sync
	out        []byte
	cells      []byte
	err        error // of write: the client is gone
}

const (
	maxText    = 16 << 10 // bytes of a text; nobody types that much
	maxNames   = 100      // prepared statements that a client may have
	maxPortals = 4        // each may keep rows
	flushAfter = 32 << 10 // bytes of an answer that are kept back for the rest of it
)

// NewConsole returns a console for a client to whom write sends.
func NewConsole(commands []Command, write func([]byte) error) *Console {
	return &Console{commands: commands, write: write, statements: map[string]*Command{}, portals: map[string]*portal{}}
}

// Message answers one message of a client that has these rights now. What it answers is sent by Flush at the latest.
func (c *Console) Message(typ byte, body []byte, rights Rights) error {
	c.rights = rights
	switch {
	case typ == pgwire.MsgQuery:
		c.failed = false
		c.query(body)
		c.out = pgwire.AppendReadyForQuery(c.out, pgwire.TxIdle)
	case typ == pgwire.MsgSync:
		c.failed = false
		clear(c.portals)
		c.out = pgwire.AppendReadyForQuery(c.out, pgwire.TxIdle)
	case typ == pgwire.MsgFunctionCall && !c.failed:
		c.refuse(&refusal{code: "0A000", message: "the console has no functions"})
		c.out = pgwire.AppendReadyForQuery(c.out, pgwire.TxIdle)
	case !c.failed:
		if r := c.extended(typ, body); r != nil {
			c.refuse(r)
			c.failed = true
		}
	}
	c.spill()
	return c.err
}

// spill sends what there is if it is much.
func (c *Console) spill() {
	if len(c.out) <= flushAfter {
		return
	}
	if c.err == nil {
		c.err = c.write(c.out)
	}
	c.out = c.out[:0]
}

// Flush sends what is left to be sent.
func (c *Console) Flush() error {
	if c.err == nil && len(c.out) > 0 {
		c.err = c.write(c.out)
	}
	c.out, c.cells = nil, nil // a console is idle most of the time
	return c.err
}

// refusal is an error that the client reads.
type refusal struct{ code, message, hint string }

func (c *Console) refuse(r *refusal) {
	c.out = pgwire.AppendErrorResponse(c.out, &pgwire.ErrorFields{Severity: "ERROR", Code: r.code, Message: r.message, Hint: r.hint})
}

// query carries out the commands of a text, none of them if there is one that it cannot.
func (c *Console) query(body []byte) {
	delete(c.statements, "")
	delete(c.portals, "")
	text, err := pgwire.QueryText(body)
	if err != nil {
		c.refuse(malformed)
		return
	}
	commands, r := c.read(text)
	switch {
	case r != nil:
		c.refuse(r)
	case len(commands) == 0:
		c.out = pgwire.AppendEmptyQueryResponse(c.out)
	}
	for _, command := range commands {
		c.out = describe(c.out, command.Columns, nil)
		c.rows(command, make([]bool, len(command.Columns)))
		if c.err != nil {
			return
		}
	}
}

// rows sends a command's rows and its end.
func (c *Console) rows(command *Command, binary []bool) {
	command.Rows(func(row ...Value) {
		c.out, c.cells = appendRow(c.out, command.Columns, binary, row, c.cells)
		c.spill()
	})
	c.out = pgwire.AppendCommandComplete(c.out, command.tag())
}

// read finds the commands of a text, or why one of them cannot be carried out.
func (c *Console) read(text []byte) ([]*Command, *refusal) {
	if len(text) > maxText {
		return nil, &refusal{code: "54000", message: "the text is too long for the console"}
	}
	parts, ok := split(string(text))
	if !ok {
		return nil, &refusal{code: "42601", message: "a quote or a comment does not end"}
	}
	found := make([]*Command, 0, len(parts))
	for _, words := range parts {
		command, r := c.find(strings.Join(words, " "))
		if r != nil {
			return nil, r
		}
		found = append(found, command)
	}
	return found, nil
}

func (c *Console) find(name string) (*Command, *refusal) {
	for i := range c.commands {
		command := &c.commands[i]
		if command.Name != name {
			continue
		}
		if command.Needs > c.rights {
			return nil, &refusal{
				code: "42501", message: "permission denied for " + command.Name, hint: "Users listed in admin_users of aioproxy may do that.",
			}
		}
		return command, nil
	}
	names := make([]string, len(c.commands))
	for i := range c.commands {
		names[i] = c.commands[i].Name
	}
	return nil, &refusal{
		code: "42601", message: "the console does not know this command", hint: "It knows: " + strings.Join(names, ", ") + ".",
	}
}

var malformed = &refusal{code: "08P01", message: "invalid message format"}
