package proxy

import (
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// RESET leads to what the start-up packet asked for. On a server connection that many clients share those settings were made
// with set_config, so the server's RESET leads to its own default. What follows puts the client's value back before anything
// else can see, in the same write and behind the client's own statement, whose tag and errors are PostgreSQL's.

// rebased returns the settings of the start-up packet that a text takes back; nil if there are none.
func (s *Session) rebased(f *parser.Facts) *backend.Settings {
	st := f.Single()
	if st == nil || s.base == nil || s.base == backend.Empty {
		return nil
	}
	switch {
	case st.Kind == parser.Discard && st.Object == "all":
		return s.base
	case st.Kind != parser.Set && st.Kind != parser.Reset || st.Setting == nil:
		return nil
	case st.Setting.All:
		return s.base
	case !st.Setting.Default || st.Setting.Local:
		return nil
	}
	v, ok := s.base.Get(st.Setting.Name)
	if !ok {
		return nil
	}
	return backend.Empty.With(st.Setting.Name, v)
}

// rebasedBy is rebased for a simple query that the server will not ignore.
func (s *Session) rebasedBy() *backend.Settings {
	if !s.req.simple || s.led.skipping || s.led.status == 'E' {
		return nil
	}
	return s.rebased(s.req.facts[0])
}

// sendReset carries a simple query out in the steps of the extended protocol, so that the server is ready, and tells the
// values of its settings, only once the start-up packet's are back. The client gets the answers of a simple query.
func (s *Session) sendReset(f *frame, base *backend.Settings) {
	text, _ := pgwire.QueryText(s.req.body(f)) // inspect has read it
	s.led.sent(owed{kind: owedParse, action: swallow})
	s.out = pgwire.AppendParse(s.out, "", text, nil)
	s.led.sent(owed{kind: owedBind, action: swallow})
	s.out = pgwire.AppendBind(s.out, "", "", noParameters)
	s.led.sent(owed{kind: owedExecute})
	s.out = pgwire.AppendExecute(s.out, "", 0)
	s.follow(base)
	s.closeOn("")
	s.led.sent(owed{kind: owedSync})
	s.out = pgwire.AppendSync(s.out)
}

// followReset does the same behind the Execute at frame i.
func (s *Session) followReset(i int) {
	if s.base == nil || s.base == backend.Empty {
		return
	}
	portal, _, err := pgwire.DecodeExecute(s.req.body(&s.req.frames[i]))
	if err != nil {
		return
	}
	for j := i - 1; j >= 0; j-- {
		f := &s.req.frames[j]
		if f.typ != 'B' {
			continue
		}
		if m, err := pgwire.DecodeBind(s.req.body(f)); err != nil || string(m.Portal) != string(portal) {
			continue
		}
		if f.stmt != nil {
			if base := s.rebased(f.stmt.facts); base != nil {
				s.follow(base)
			}
		}
		return
	}
}

// follow sets settings of the start-up packet, unheard by the client.
func (s *Session) follow(base *backend.Settings) {
	query := backend.AppendChange(nil, backend.Empty, base)
	text, err := pgwire.QueryText(query[pgwire.HeaderSize:])
	if err != nil {
		return
	}
	name := s.p.serverNames.fresh()
	s.led.sent(owed{kind: owedParse, action: swallow})
	s.out = pgwire.AppendParse(s.out, name, text, nil)
	s.led.sent(owed{kind: owedBind, action: swallow})
	s.out = pgwire.AppendBind(s.out, name, name, noParameters)
	s.led.sent(owed{kind: owedExecute, action: swallow})
	s.out = pgwire.AppendExecute(s.out, name, 0)
	s.led.sent(owed{kind: owedClose, action: swallow})
	s.out = pgwire.AppendClose(s.out, 'P', name)
	s.closeOn(name)
}
