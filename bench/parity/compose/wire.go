package compose

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

// What a stream has besides messages.
const (
	markClosed   = "closed"
	markDropped  = "dropped"
	markReopened = "opened again"
	markTimedOut = "timed out"
)

// waiting bounds every wait.
const waiting = 10 * time.Second

// session is one client under way.
type session struct {
	t       *target
	program *Program
	next    int // index into steps
	steps   []*Step
	pieces  []string // name of the piece that each step is of

	conn   net.Conn
	in     *bufio.Reader
	key    []byte
	last   byte // type of the message taken last
	ended  bool // its connection was closed for good
	silent bool // a wait was in vain: nothing more is to be learned
	stream []string
	began  []int // length of stream at the beginning of each step
}

func newSession(t *target, p *Program) *session {
	s := &session{t: t, program: p}
	for i := range p.Pieces {
		for j := range p.Pieces[i].Steps {
			s.steps = append(s.steps, &p.Pieces[i].Steps[j])
			s.pieces = append(s.pieces, p.Pieces[i].Name)
		}
	}
	return s
}

func (s *session) done() bool { return s.next == len(s.steps) || s.silent }

// step carries out the next step, on a connection opened for it where there is none.
func (s *session) step(ctx context.Context) {
	st := s.steps[s.next]
	s.next++
	s.began = append(s.began, len(s.stream))
	if s.conn == nil && !s.open(ctx) {
		return
	}
	switch st.Action {
	case Send:
		s.send(st)
		s.await(st)
	case Cancel:
		s.cancelled(ctx, st)
	case Drop:
		s.mark(markDropped)
		s.hangUp()
		s.t.gone(ctx, s.program)
	case Terminate:
		s.finish()
		s.t.gone(ctx, s.program)
	}
}

func (s *session) mark(text string) {
	s.stream = append(s.stream, text)
}

// open logs in. It is false where the server or the proxy did not let us.
func (s *session) open(ctx context.Context) bool {
	if len(s.stream) > 0 {
		s.mark(markReopened)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.t.addr)
	if err != nil {
		s.mark(err.Error())
		s.silent = true
		return false
	}
	s.conn, s.in = conn, bufio.NewReader(conn)
	words := append([]string{"user=" + s.t.user, "database=" + s.t.database}, s.program.Startup...)
	s.write(frames.Startup(words))
	s.take("Z", 1)
	return s.conn != nil
}

func (s *session) write(b []byte) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(waiting))
	_, _ = s.conn.Write(b) // where the server has closed, the stream tells
}

func (s *session) send(st *Step) {
	var b []byte
	for _, c := range st.Commands {
		var err error
		if b, err = c.Append(b); err != nil {
			panic(err) // a piece is wrong
		}
	}
	s.write(b)
}

func (s *session) await(st *Step) {
	switch {
	case st.Until == "":
		s.take("Z", st.ready())
	case st.After == "" || strings.IndexByte(st.After, s.last) >= 0:
		s.take(st.Until, 1)
	}
}

// take reads up to the nth message of one of some types, or the end.
func (s *session) take(types string, n int) {
	_ = s.conn.SetReadDeadline(time.Now().Add(waiting))
	var head [5]byte
	for n > 0 {
		if _, err := io.ReadFull(s.in, head[:]); err != nil {
			s.lost(err)
			return
		}
		body := make([]byte, max(0, int(binary.BigEndian.Uint32(head[1:]))-4))
		if _, err := io.ReadFull(s.in, body); err != nil {
			s.lost(err)
			return
		}
		s.mark(frames.Render(head[0], withoutPlace(body), false))
		if s.last = head[0]; s.last == 'K' {
			s.key = body
		}
		if strings.IndexByte(types, head[0]) >= 0 {
			n--
		}
	}
}

func (s *session) lost(err error) {
	if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // a read's own error
		s.mark(markTimedOut)
		s.silent = true
	} else {
		s.mark(markClosed)
	}
	s.hangUp()
}

func (s *session) hangUp() {
	_ = s.conn.Close()
	s.conn = nil
}

// cancelled sends a step and cancels it once it runs. What fails at once is not cancelled.
func (s *session) cancelled(ctx context.Context, st *Step) {
	s.send(st)
	ctx, cancel := context.WithTimeout(ctx, waiting)
	defer cancel()
	for !s.answered() && !s.t.runs(ctx, st.marker()) && ctx.Err() == nil {
		pause(ctx, 2*time.Millisecond)
	}
	if s.conn == nil {
		return
	}
	if !s.answered() {
		s.sendCancel(ctx)
	}
	s.await(st)
}

// answered looks for an answer without taking it.
func (s *session) answered() bool {
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := s.in.Peek(1)
	if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // a read's own error
		return false
	}
	return true
}

func (s *session) sendCancel(ctx context.Context) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.t.addr)
	if err != nil {
		s.mark(err.Error())
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write(frames.Cancel(s.key))
	_ = conn.SetReadDeadline(time.Now().Add(waiting))
	_, _ = conn.Read(make([]byte, 1))
}

// finish says good-bye and reads to the end.
func (s *session) finish() {
	if s.conn == nil {
		return
	}
	b, _ := frames.C("Terminate").Append(nil)
	s.write(b)
	s.take("", 1)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// withoutPlace cuts off where in PostgreSQL's source a statement in a failed transaction was refused, or one whose result has
// another shape by now. A Bind may be refused as a Parse is: the server connection did not have the statement, and does not take
// any now; and the proxy does not know the line before it has seen that error once.
func withoutPlace(body []byte) []byte {
	if !bytes.Contains(body, []byte("\x00C25P02\x00")) && !bytes.Contains(body, []byte("\x00C0A000\x00")) {
		return body
	}
	if at := bytes.Index(body, []byte("\x00F")); at >= 0 {
		return body[:at]
	}
	return body
}
