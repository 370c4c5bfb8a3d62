package admin

import (
	"encoding/binary"
	"fmt"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// portal is a bound statement. Its rows are made when it is first executed.
type portal struct {
	command *Command // nil for an empty text
	binary  []bool   // by column
	rows    [][]Value
	ran     bool
}

// extended answers a message of the extended protocol but Sync.
func (c *Console) extended(typ byte, body []byte) *refusal {
	switch typ {
	case pgwire.MsgParse:
		return c.parse(body)
	case pgwire.MsgBind:
		return c.bind(body)
	case pgwire.MsgDescribe, pgwire.MsgClose:
		object, name, err := pgwire.DecodeObject(body)
		if err != nil {
			return malformed
		}
		if typ == pgwire.MsgDescribe {
			return c.describe(object, string(name))
		}
		c.close(object, string(name))
	case pgwire.MsgExecute:
		return c.execute(body)
	}
	return nil // Flush: everything is sent at the end of a request; COPY data that nobody asked for
}

func (c *Console) parse(body []byte) *refusal {
	m, err := pgwire.DecodeParse(body)
	if err != nil {
		return malformed
	}
	name := string(m.Name)
	if name == "" {
		delete(c.statements, "")
	}
	commands, r := c.read(m.SQL)
	_, taken := c.statements[name]
	switch {
	case r != nil:
		return r
	case len(commands) > 1:
		return &refusal{code: "42601", message: "cannot insert multiple commands into a prepared statement"}
	case taken:
		return &refusal{code: "42P05", message: "prepared statement already exists"}
	case len(c.statements) >= maxNames:
		return &refusal{code: "54000", message: "too many prepared statements for the console"}
	case len(commands) == 0:
		c.statements[name] = nil
	default:
		c.statements[name] = commands[0]
	}
	c.out = pgwire.AppendParseComplete(c.out)
	return nil
}

func (c *Console) bind(body []byte) *refusal {
	m, err := pgwire.DecodeBind(body)
	if err != nil {
		return malformed
	}
	command, known := c.statements[string(m.Statement)]
	name := string(m.Portal)
	if name == "" {
		delete(c.portals, "")
	}
	switch {
	case !known:
		return &refusal{code: "26000", message: "prepared statement does not exist"}
	case m.ParameterCount > 0:
		return &refusal{code: "08P01", message: fmt.Sprintf("bind message supplies %d parameters, but commands of the console have none", m.ParameterCount)}
	case c.portals[name] != nil:
		return &refusal{code: "42P03", message: "cursor already exists"}
	case len(c.portals) >= maxPortals:
		return &refusal{code: "54000", message: "too many portals for the console"}
	}
	p := &portal{command: command}
	if command != nil {
		var r *refusal
		if p.binary, r = formats(m.ResultFormats, len(command.Columns)); r != nil {
			return r
		}
	}
	c.portals[name] = p
	c.out = pgwire.AppendBindComplete(c.out)
	return nil
}

// formats reads the result formats of a Bind: none, one for all columns, or one for each.
func formats(codes []byte, columns int) ([]bool, *refusal) {
	n := len(codes) / 2
	if n > 1 && n != columns {
		return nil, &refusal{code: "08P01", message: fmt.Sprintf("bind message has %d result formats but query has %d columns", n, columns)}
	}
	formats := make([]bool, columns)
	for i := range formats {
		if n > 0 {
			formats[i] = binary.BigEndian.Uint16(codes[2*min(i, n-1):]) == 1
		}
	}
	return formats, nil
}

func (c *Console) describe(object byte, name string) *refusal {
	var command *Command
	var formats []bool
	if object == pgwire.ObjectStatement {
		of, known := c.statements[name]
		if !known {
			return &refusal{code: "26000", message: "prepared statement does not exist"}
		}
		c.out = pgwire.AppendParameterDescription(c.out)
		command = of
	} else {
		p := c.portals[name]
		if p == nil {
			return &refusal{code: "34000", message: "portal does not exist"}
		}
		command, formats = p.command, p.binary
	}
	if command == nil {
		c.out = pgwire.AppendNoData(c.out)
		return nil
	}
	c.out = describe(c.out, command.Columns, formats)
	return nil
}

func (c *Console) close(object byte, name string) {
	if object == pgwire.ObjectStatement {
		delete(c.statements, name)
	} else {
		delete(c.portals, name)
	}
	c.out = pgwire.AppendCloseComplete(c.out)
}

// execute sends rows of a portal, as many as the message asks for.
func (c *Console) execute(body []byte) *refusal {
	name, most, err := pgwire.DecodeExecute(body)
	if err != nil {
		return malformed
	}
	p := c.portals[string(name)]
	switch {
	case p == nil:
		return &refusal{code: "34000", message: "portal does not exist"}
	case p.command == nil:
		c.out = pgwire.AppendEmptyQueryResponse(c.out)
	case most <= 0 && !p.ran:
		p.ran = true
		c.rows(p.command, p.binary)
	default:
		c.some(p, int(most))
	}
	return nil
}

// some sends up to most rows and keeps the others; 0 is all.
func (c *Console) some(p *portal, most int) {
	if !p.ran {
		p.ran = true
		p.command.Rows(func(row ...Value) { p.rows = append(p.rows, append([]Value(nil), row...)) })
	}
	n := len(p.rows)
	if most > 0 {
		n = min(n, most)
	}
	for _, row := range p.rows[:n] {
		c.out, c.cells = appendRow(c.out, p.command.Columns, p.binary, row, c.cells)
		c.spill()
	}
	p.rows = p.rows[n:]
	if len(p.rows) > 0 || n == most && most > 0 { // as PostgreSQL, which has not looked further yet
		c.out = pgwire.AppendPortalSuspended(c.out)
		return
	}
	c.out = pgwire.AppendCommandComplete(c.out, p.command.tag())
}
