package backend

import (
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// checkAfter is how long a connection may be idle and still be lent unseen. A busy pool stays below it and saves the
// system call (0.3 us); no server restarts that quickly.
const checkAfter = time.Millisecond

// usable looks at a connection that was not in use just now: its server may have closed it, and a statement sent to a
// dead connection cannot always be sent again. What dies between the look and the statement is the session's to
// handle; it calls [Pools.Suspect], which has every other looked at.
func (p *Pool) usable(c *Conn) bool {
	if c.idleSince == 0 { // new, or handed over
		return true
	}
	fresh := p.owner.now()-c.idleSince < checkAfter && int64(c.idleSince) > p.suspected.Load()
	return fresh || c.probe()
}

// suspect makes usable look at all that are idle now.
func (p *Pool) suspect() { p.suspected.Store(int64(p.owner.now())) }

// probe reads what an idle server may have sent and says whether the connection is still good. It never waits.
func (c *Conn) probe() bool {
	if c.Wire == nil || c.Reader == nil {
		return true
	}
	for {
		some, err := c.Reader.TryFill()
		if err != nil {
			return false
		}
		if !some {
			c.Reader.Release()
			return len(c.Reader.Buffered()) == 0
		}
		if !c.digest() {
			return false
		}
	}
}

// digest takes whole frames. A server says only these unasked (PostgreSQL documentation, 55.2.7); anything else is
// the end, which ErrorResponse announces, or a protocol out of step.
func (c *Conn) digest() bool {
	for {
		b := c.Reader.Buffered()
		h, ok, err := pgwire.Peek(b)
		if err != nil {
			return false
		}
		if !ok || len(b) < h.Len {
			return len(b) < pgwire.WindowSize
		}
		switch h.Type {
		case 'S':
			if c.reported(b[pgwire.HeaderSize:h.Len]) != nil {
				return false
			}
		case 'N', 'A':
		default: // an open set: every other byte
			return false
		}
		c.Reader.Discard(h.Len)
	}
}

// reported takes the body of a ParameterStatus.
func (c *Conn) reported(body []byte) error {
	name, value, err := pgwire.DecodeParameterStatus(body)
	if err == nil {
		c.Status.Set(name, value)
	}
	return err
}
