package proxy

import (
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// tunnel joins a client with a server connection of its own and moves bytes both ways as they come, until either side ends.
// What is read is written before more is read, so a slow side slows the other down.
//
// The session's goroutine carries what the client says (up), a second one what the server says (down). Only down writes to
// the client, and it decides when the end has come.
type tunnel struct {
	session *Session
	server  *backend.Conn
	answers frames      // of the server, as far as they were passed on
	working atomic.Bool // a command was sent that is not finished: not while WAL is streamed, which has no end
}

// run returns when both sides have ended; at once if the client, in start-up, has already.
func (t *tunnel) run(err error) error {
	defer func() { _ = t.server.Wire.Close() }()
	if err != nil {
		return err
	}
	t.session.setPin(pinReplication)
	defer t.session.unpinAll()
	var down sync.WaitGroup
	down.Go(t.down)
	t.up()
	down.Wait()
	return errGone
}

// up passes on what the client says. It ends with the client's side, or when down has closed it.
func (t *tunnel) up() {
	client, server := t.session.client, t.server.Wire
	for {
		if b := client.Buffered(); len(b) > 0 {
			if !t.answers.streaming.Load() {
				t.working.Store(true)
			}
			if server.Write(b) != nil {
				return // down hears the server's last words
			}
			client.Discard(len(b))
			continue
		}
		err := client.Fill()
		switch {
		case err == nil, errors.Is(err, pgwire.ErrWoken): // a stop is down's to notice
		case errors.Is(err, io.EOF) && server.CloseWrite() == nil:
			return // the server finishes what it was asked for and closes, as it does on a direct connection
		default: // an open set
			_ = server.Close()
			return
		}
	}
}

// down passes on what the server says, until it closes or aioproxy stops.
func (t *tunnel) down() {
	client, server := t.session.wire, t.server.Reader
	defer func() {
		_ = t.server.Wire.Close()
		_ = client.Close()
	}()
	for !t.over() {
		if b := server.Buffered(); len(b) > 0 {
			t.pass(b)
			if client.Write(b) != nil {
				return
			}
			server.Discard(len(b))
			continue
		}
		if err := server.Fill(); err != nil && !errors.Is(err, pgwire.ErrWoken) {
			return
		}
	}
	if t.answers.between() {
		// One try: a client that does not read its last words shall not hold us up.
		f := &failure{code: codeAdminShutdown, message: "terminating connection due to administrator command"}
		_, _ = client.TryWrite(f.append(nil, "FATAL"))
	}
}

func (t *tunnel) pass(b []byte) {
	t.answers.pass(b)
	if t.answers.last == 'Z' || t.answers.streaming.Load() {
		t.working.Store(false)
	}
}

// over: at a stop a command such as BASE_BACKUP may finish within shutdown_timeout. A stream of WAL never does: who follows it
// connects again and goes on where it was.
func (t *tunnel) over() bool {
	p := t.session.p
	return p.forced.Load() || p.draining.Load() && !t.working.Load()
}

// tunnelFarewell is how long a client may leave unread what it was sent before it is cut off at a forced stop.
const tunnelFarewell = time.Second

// force ends the tunnel at a forced stop, whatever it is waiting for. It may be called from any goroutine.
func (t *tunnel) force() {
	_ = t.session.wire.SetDeadline(time.Now().Add(tunnelFarewell))
	t.server.Wire.Wake()
}

// frames follows where messages begin and end in a stream of bytes.
type frames struct {
	header    [pgwire.HeaderSize]byte
	have      int         // bytes of the header that have passed
	rest      int         // bytes of the body that have not
	last      byte        // type of the last whole message
	streaming atomic.Bool // CopyBothResponse passed, and no end of it
}

// between reports whether the last byte that passed ended a message.
func (f *frames) between() bool { return f.have == 0 }

func (f *frames) pass(b []byte) {
	for len(b) > 0 {
		if f.have < len(f.header) {
			n := copy(f.header[f.have:], b)
			f.have, b = f.have+n, b[n:]
			if f.have < len(f.header) {
				return
			}
			h, _, err := pgwire.Peek(f.header[:])
			if err != nil {
				f.rest = math.MaxInt // not our protocol any more: nothing is said into it
				return
			}
			f.rest = h.BodyLen()
		}
		n := min(f.rest, len(b))
		f.rest, b = f.rest-n, b[n:]
		if f.rest == 0 {
			f.ended(f.header[0])
		}
	}
}

func (f *frames) ended(typ byte) {
	f.have, f.last = 0, typ
	switch typ {
	case 'W':
		f.streaming.Store(true)
	case 'c', 'Z', 'E':
		f.streaming.Store(false)
	}
}
