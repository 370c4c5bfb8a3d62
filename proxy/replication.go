package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// replication is what a start-up packet says that asks for a walsender.
type replication struct {
	physical   bool        // no database: plain replication commands only
	parameters [][2]string // of the packet, but for user and database
}

// replicationOf reads the parameter replication as ProcessStartupPacket does; nil: an ordinary connection.
func replicationOf(packet *pgwire.Startup) (*replication, error) {
	r := &replication{physical: true}
	asked := false
	for _, p := range packet.Params {
		switch p.Name {
		case "user", "database":
			continue
		case "replication":
			on, ok := parseBool(p.Value)
			if !ok && p.Value != "database" {
				return nil, &failure{
					code: "22023", message: fmt.Sprintf("invalid value for parameter %q: %q", p.Name, p.Value),
					hint: `Valid values are: "false", 0, "true", 1, "database".`,
				}
			}
			asked, r.physical = on || !ok, ok
		}
		r.parameters = append(r.parameters, [2]string{p.Name, p.Value})
	}
	if !asked {
		return nil, nil
	}
	return r, nil
}

// parseBool is PostgreSQL's parse_bool: words may be shortened as long as they are not ambiguous.
func parseBool(value string) (on, ok bool) {
	v := strings.ToLower(value)
	short := func(word string, least int) bool { return len(v) >= least && strings.HasPrefix(word, v) }
	switch {
	case short("true", 1), short("yes", 1), v == "on", v == "1":
		return true, true
	case short("false", 1), short("no", 1), short("off", 2), v == "0":
		return false, true
	}
	return false, false
}

// connectApart logs the session in to a server connection of its own, which nobody else ever uses, and returns what that
// server said of itself.
func (s *Session) connectApart(ctx context.Context) ([]byte, error) {
	deadline := time.Now().Add(time.Duration(s.p.primaryWait.Load()))
	for {
		c, err := s.dialApart(ctx)
		if err == nil {
			s.p.sessions.rename(s, c.PID)
			s.tunnel.Store(&tunnel{session: s, server: c})
			var status []byte
			c.Status.Each(func(name, value string) { status = pgwire.AppendParameterStatus(status, name, value) })
			return status, nil
		}
		if !unreachable(err) || time.Now().After(deadline) || !waitFor(ctx, nodesPause) {
			return nil, err
		}
	}
}

func (s *Session) dialApart(ctx context.Context) (*backend.Conn, error) {
	node, err := s.p.sender(ctx, s.replication.physical)
	if err != nil {
		return nil, err
	}
	key := backend.Key{Node: node, Database: s.database, User: s.user}
	c, err := s.p.pools.DialApart(ctx, key, s.cred, s.replication.parameters)
	if err != nil && unreachable(err) {
		s.p.cluster.Suspect(node)
	}
	return c, err
}

// sender is the node that a replication connection goes to: the primary. Where there is none, the WAL of any replica that is
// up serves a physical standby as well (cascading replication); logical decoding needs a primary.
func (p *Proxy) sender(ctx context.Context, physical bool) (string, error) {
	node, err := p.primary(ctx, physical)
	if !physical || !errors.Is(err, errNoPrimary) {
		return node, err
	}
	for _, n := range p.cluster.Snapshot().Nodes {
		if n.Up {
			return n.Addr, nil
		}
	}
	return "", err
}
