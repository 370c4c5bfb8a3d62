package instance_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

const (
	timedOut   = "timed out"
	closedMark = "closed"
)

// wireSession speaks the protocol byte by byte.
type wireSession struct {
	t        *testing.T
	conn     net.Conn
	in       *bufio.Reader
	loose    bool
	messages chan wireMessage // closed when the server has closed
	reading  sync.WaitGroup
	stream   []string
	key      []byte // body of BackendKeyData
	ended    bool
	silent   bool // a wait was in vain
}

type wireMessage struct {
	typ  byte
	body []byte
	text string
}

func dialWire(t *testing.T, addr string) *wireSession {
	conn, err := net.DialTimeout("tcp", addr, parityTimeout)
	require.NoError(t, err)
	return &wireSession{t: t, conn: conn, in: bufio.NewReader(conn), messages: make(chan wireMessage, 1<<18)}
}

// openWire logs in as postgres and waits until the session is ready.
func openWire(t *testing.T, addr, database string) *wireSession {
	w := dialWire(t, addr)
	t.Cleanup(w.finish)
	w.startup([]string{"user=postgres", "database=" + database})
	w.wait('Z', 1)
	return w
}

// startup sends a StartupMessage, see frames.Startup.
func (w *wireSession) startup(words []string) {
	w.write(frames.Startup(words))
	w.reading.Go(w.read)
}

func (w *wireSession) write(b []byte) {
	_ = w.conn.SetWriteDeadline(time.Now().Add(parityTimeout))
	_, err := w.conn.Write(b)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		w.t.Logf("write: %v", err) // the server may have closed: the stream tells
	}
}

func (w *wireSession) send(commands ...frames.Command) {
	var b []byte
	var err error
	for i := range commands {
		b, err = commands[i].Append(b)
		require.NoError(w.t, err)
	}
	w.write(b)
}

// query sends a simple query without waiting for its end.
func (w *wireSession) query(sql string) { w.send(frames.C("Query", sql)) }

func (w *wireSession) read() {
	defer close(w.messages)
	var head [5]byte
	for {
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			return
		}
		body := make([]byte, max(0, int(binary.BigEndian.Uint32(head[1:]))-4))
		if _, err := io.ReadFull(w.in, body); err != nil {
			return
		}
		if head[0] == 'K' {
			w.key = append([]byte(nil), body...)
		}
		m := wireMessage{typ: head[0], body: body, text: frames.Render(head[0], body, w.loose)}
		if len(body) > frames.LongBody {
			m.body = nil
		}
		w.messages <- m
	}
}

// wait takes messages up to the nth of a type; it ends early when the server closes.
func (w *wireSession) wait(typ byte, n int) []wireMessage {
	var taken []wireMessage
	timer := time.NewTimer(parityTimeout)
	defer timer.Stop()
	for n > 0 {
		select {
		case m, open := <-w.messages:
			if !open {
				w.close(closedMark)
				return taken
			}
			w.stream = append(w.stream, m.text)
			taken = append(taken, m)
			if m.typ == typ {
				n--
			}
		case <-timer.C:
			w.stream = append(w.stream, timedOut)
			w.silent = true
			return taken
		}
	}
	return taken
}

func (w *wireSession) close(mark string) {
	if !w.ended {
		w.ended = true
		w.stream = append(w.stream, mark)
	}
	_ = w.conn.Close()
}

// finish says good-bye and takes what was still under way.
func (w *wireSession) finish() {
	if !w.ended {
		w.send(frames.C("Terminate"))
		w.wait(0, 1)
	}
	_ = w.conn.Close()
	w.reading.Wait()
}

// scriptRun is a script under way.
type scriptRun struct {
	t        *testing.T
	addr     string
	helper   *pgx.Conn
	loose    bool
	line     int
	sessions map[string]*wireSession
}

func (r *scriptRun) close() {
	for _, w := range r.sessions {
		_ = w.conn.Close()
		w.reading.Wait()
	}
}

func (r *scriptRun) timedOut() bool {
	for _, w := range r.sessions {
		if w.silent {
			return true
		}
	}
	return false
}

// step carries out a line: dial, startup NAME=VALUE..., open (both, and wait), ssl, gss, byte (reads one), wait [N] (for
// ReadyForQuery), until TYPE [N], eof, cancel, drop (closes without a word), bytes (instead of startup), put and rest (bytes
// both ways that are no messages), or messages.
func (r *scriptRun) step(st *scriptStep) {
	c := &st.commands[0]
	w := r.sessions[st.session]
	if w == nil {
		w = dialWire(r.t, r.addr)
		w.loose = r.loose
		r.sessions[st.session] = w
	}
	count := 1
	if len(c.Args) > 0 {
		count = max(1, frames.Number(c.Args[len(c.Args)-1]))
	}
	switch c.Verb {
	case "dial":
	case "startup":
		w.startup(c.Args)
	case "open":
		w.startup(append([]string{"user=postgres", "database=parity"}, c.Args...))
		w.wait('Z', 1)
	case "ssl":
		b, err := (&pgproto3.SSLRequest{}).Encode(nil)
		require.NoError(r.t, err)
		w.write(b)
	case "gss":
		b, err := (&pgproto3.GSSEncRequest{}).Encode(nil)
		require.NoError(r.t, err)
		w.write(b)
	case "byte":
		b, err := w.in.ReadByte()
		w.stream = append(w.stream, fmt.Sprintf("%q %v", b, err))
	case "wait":
		w.wait('Z', count)
	case "until":
		w.wait(c.Args[0][0], count)
	case "eof":
		w.wait(0, 1)
	case "cancel":
		r.cancel(w.key)
	case "drop":
		w.close("dropped")
	case "put":
		w.write([]byte(c.Args[0]))
	case "rest":
		_ = w.conn.SetReadDeadline(time.Now().Add(parityTimeout))
		b, err := io.ReadAll(w.in)
		w.stream = append(w.stream, fmt.Sprintf("%q %v", b, err))
		w.ended = true
	case "bytes":
		w.write([]byte(c.Args[0]))
		w.reading.Go(w.read)
	default:
		w.send(st.commands...)
	}
}

// cancel sends a CancelRequest and waits until the server has taken notice.
func (r *scriptRun) cancel(key []byte) { cancelWire(r.t, r.addr, key) }

func cancelWire(t *testing.T, addr string, key []byte) {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(frames.Cancel(key))
	require.NoError(t, err)
	_ = conn.SetReadDeadline(time.Now().Add(parityTimeout))
	_, _ = conn.Read(make([]byte, 1))
}
