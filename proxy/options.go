package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// startupSettings are the settings of a start-up packet, those in options included. Later ones win, and a parameter of its
// own wins over options, as in process_startup_options. It is false where options say something else than -c and --, or
// something wrong: what that means only a server can tell.
func startupSettings(packet *pgwire.Startup) (set *backend.Settings, ok bool) {
	set, ok = optionSettings(packet.Get("options"))
	for _, p := range packet.Params {
		switch p.Name {
		case "user", "database", "options", "replication":
		default: // an open set: any setting may be named
			set = set.With(p.Name, p.Value)
		}
	}
	return set, ok
}

// optionSettings reads the -c name=value and --name=value switches of options (postgres, "Options"; PGOPTIONS).
func optionSettings(options string) (set *backend.Settings, ok bool) {
	args := splitOptions(options)
	set, ok = backend.Empty, true
	for i := 0; i < len(args); i++ {
		arg := args[i]
		var pair string
		switch {
		case strings.HasPrefix(arg, "--"):
			pair = arg[2:]
		case arg == "-c" && i+1 < len(args):
			i++
			pair = args[i]
		case strings.HasPrefix(arg, "-c"):
			pair = arg[2:]
		}
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			ok = false
			continue
		}
		set = set.With(strings.ReplaceAll(name, "-", "_"), value)
	}
	return set, ok
}

// splitOptions splits at white space that no backslash precedes (pg_split_opts in postinit.c).
func splitOptions(options string) []string {
	var args []string
	var b strings.Builder
	begun := false
	for i := 0; i < len(options); i++ {
		c := options[i]
		switch {
		case c == '\\':
			begun = true
			if i++; i < len(options) {
				b.WriteByte(options[i])
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f':
			if begun {
				args = append(args, b.String())
				b.Reset()
				begun = false
			}
		default: // an open set
			b.WriteByte(c)
			begun = true
		}
	}
	if begun {
		args = append(args, b.String())
	}
	return args
}

// welcomeAs is welcome for what the packet asks for. Whatever our reading of it does not cover, and whatever a pooled
// connection refuses to be set to, a server reads itself: on a connection made for that, with the packet as it is, so that
// PostgreSQL's objections come in its words and its abbreviations mean what they mean.
func (s *Session) welcomeAs(ctx context.Context, packet *pgwire.Startup) ([]byte, error) {
	set, ok := startupSettings(packet)
	if ok {
		s.base = set
		status, err := s.welcome(ctx)
		var f *failure
		if set == backend.Empty || !errors.As(err, &f) || f.body == nil {
			return status, err
		}
	}
	read, err := s.readByServer(ctx, packet)
	if err != nil {
		return nil, err
	}
	set.Each(func(name, value string) {
		if strings.Contains(name, ".") { // which PostgreSQL does not list
			read = read.With(name, value)
		}
	})
	s.base = read
	return s.welcome(ctx)
}

// readSettings lists what a start-up packet has set.
const readSettings = "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings " +
	"WHERE source OPERATOR(pg_catalog.=) 'client'"

// readByServer logs in with the packet and returns the settings that a server understood.
func (s *Session) readByServer(ctx context.Context, packet *pgwire.Startup) (*backend.Settings, error) {
	node, err := s.p.sender(ctx, true)
	if err != nil {
		return nil, err
	}
	c, err := s.p.pools.DialApart(ctx, backend.Key{Node: node, Database: s.database, User: s.user}, s.cred, parametersOf(packet))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Wire.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.Wire.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if err := c.Wire.Write(pgwire.AppendQuery(nil, readSettings)); err != nil {
		return nil, fmt.Errorf("asking %s about a start-up packet: %w", node, err)
	}
	set := backend.Empty
	for {
		f, err := c.Reader.Next()
		switch {
		case err != nil:
			return nil, fmt.Errorf("asking %s about a start-up packet: %w", node, err)
		case f.Type == pgwire.MsgErrorResponse:
			return nil, backend.NewServerError(f.Body)
		case f.Type == pgwire.MsgReadyForQuery:
			_ = c.Wire.Write(pgwire.AppendTerminate(nil))
			return set, nil
		case f.Type == pgwire.MsgDataRow:
			if row := columnsOf(f.Body); len(row) == 2 {
				set = set.With(string(row[0]), string(row[1]))
			}
		}
	}
}

// parametersOf are those of a packet that DialConfig has no fields for.
func parametersOf(packet *pgwire.Startup) [][2]string {
	var parameters [][2]string
	for _, p := range packet.Params {
		if p.Name != "user" && p.Name != "database" {
			parameters = append(parameters, [2]string{p.Name, p.Value})
		}
	}
	return parameters
}
