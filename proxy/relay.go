package proxy

import (
	"errors"
	"fmt"
	"io"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// partialFrame is a message from the server of which more is to come than fits the buffer.
type partialFrame struct {
	left   int // bytes still to come
	action action
	record bool
}

// relay forwards the server's answers until nothing is owed. It holds the server's buffer only while bytes are there and
// writes to the client once per buffer.
func (s *Session) relay() error {
	for {
		if err := s.answers(); err != nil {
			return err
		}
		if s.led.copyIn || s.led.empty() {
			return s.flushAnswers()
		}
		if err := s.flushAnswers(); err != nil {
			return err
		}
		if err := s.fillServer(); err != nil {
			return err
		}
	}
}

// flushAnswers writes to the client what came for it, unless the request may yet be run somewhere else.
func (s *Session) flushAnswers() error {
	if s.retry.discarding {
		s.cout, s.pend = s.cout[:0], nil
		return nil
	}
	return s.flushClient()
}

// fillServer parks until the server sends.
func (s *Session) fillServer() error {
	err := s.conn.Reader.Fill()
	if err == nil {
		return nil
	}
	if errors.Is(err, pgwire.ErrWoken) {
		return nil
	}
	return s.lost(err)
}

// answers takes the buffered messages one after the other. It returns when more bytes are needed or nothing is owed.
func (s *Session) answers() error {
	r := s.conn.Reader
	for {
		s.synthesised()
		buf := r.Buffered()
		if s.partial.left > 0 {
			n := min(s.partial.left, len(buf))
			if n == 0 {
				return nil
			}
			s.take(buf[:n], s.partial.action, s.partial.record)
			s.partial.left -= n
			r.Discard(n)
			continue
		}
		h, ok, err := pgwire.Peek(buf)
		if err != nil {
			return s.lost(err)
		}
		if !ok || (s.led.empty() && !asynchronousType(h.Type)) {
			return nil
		}
		if h.Len > len(buf) {
			if !streamable(h.Type) || (s.asked != nil || h.Type == 'T') && h.Len <= pgwire.WindowSize {
				if h.Len > serverWindow && h.Len <= wholeLimit {
					r.SetLimit(h.Len) // a message of an error may quote what the client sent
				}
				return nil // wait for the whole of it
			}
			if err := s.begin(h, buf); err != nil {
				return err
			}
			r.Discard(len(buf))
			continue
		}
		r.Discard(h.Len)
		if err := s.message(h.Type, buf[:h.Len]); err != nil {
			return err
		}
	}
}

// wholeLimit is the largest message of a server that is held in memory, other than those that are streamed: an error that
// quotes a large statement, say.
const wholeLimit = 64 << 20

// serverWindow is what fits a server connection's buffer in any case.
const serverWindow = 128 << 10

// streamable messages are forwarded without being looked at, so they need not be whole.
func streamable(typ byte) bool {
	switch typ {
	case 'D', 'd', 'T', 'V':
		return true
	}
	return false
}

func asynchronousType(typ byte) bool { return typ == 'N' || typ == 'A' || typ == 'S' }

// begin forwards the first part of a message that is larger than what is buffered.
func (s *Session) begin(h pgwire.Header, buf []byte) error {
	head := s.led.front()
	record := head.record
	act, done, ok := s.led.received(h.Type, 0)
	if !ok {
		return s.confused(h.Type)
	}
	if record && s.rec != nil {
		s.rec.begin(h.Type)
	}
	s.take(buf, act, record)
	s.partial = partialFrame{left: h.Len - len(buf), action: act, record: record}
	if done != nil {
		s.completed(done)
	}
	return nil
}

// take passes bytes on to the client and to the recorder.
func (s *Session) take(b []byte, act action, record bool) {
	if record && s.rec != nil && !s.rec.add(b) {
		s.stopRecording()
	}
	if act == forward {
		s.emit(b)
	}
}

// emit collects bytes for the client. As long as they lie one behind the other in the server's buffer nothing is copied.
func (s *Session) emit(b []byte) {
	switch {
	case len(s.pend) == 0:
		s.pend = b
	case cap(s.pend) > len(s.pend) && len(b) > 0 && &s.pend[:len(s.pend)+1][len(s.pend)] == &b[0]:
		s.pend = s.pend[:len(s.pend)+len(b)]
	default:
		s.cout = append(s.cout, s.pend...)
		s.pend = b
	}
}

// say collects bytes of our own for the client.
func (s *Session) say(build func(dst []byte) []byte) {
	s.cout = append(s.cout, s.pend...)
	s.pend = nil
	s.cout = build(s.cout)
}

// synthesised emits the answers at the head of the ledger that are ours to give.
func (s *Session) synthesised() {
	for !s.led.empty() && s.led.front().action == synthesise {
		o := s.led.pop()
		switch o.kind {
		case owedParse:
			s.say(pgwire.AppendParseComplete)
		case owedClose:
			s.say(pgwire.AppendCloseComplete)
		case owedQuery, owedBind, owedDescribeStatement, owedDescribePortal, owedExecute, owedSync, owedFunction:
			// Nothing else is ever answered in the server's stead while a server is at work.
		}
	}
}

// message handles one whole message from the server.
func (s *Session) message(typ byte, raw []byte) error {
	body := raw[pgwire.HeaderSize:]
	switch typ {
	case 'N', 'A':
		return s.notice(typ, raw)
	case 'S':
		return s.parameter(raw)
	case 'E':
		return s.failedStatement(raw)
	}
	var status byte
	if typ == 'Z' {
		if len(body) != 1 {
			return s.confused(typ)
		}
		status = body[0]
	}
	head := s.led.front()
	record := head.record
	if head.kind == owedDescribeStatement && head.now != nil {
		s.learn(typ, body, head)
	}
	act, done, ok := s.led.received(typ, status)
	if !ok {
		return s.confused(typ)
	}
	if typ == 'Z' && act == forward {
		if err := s.beforeReady(status); err != nil {
			return err
		}
	}
	switch {
	case typ == 'C' && act == forward:
		s.ran = true
		s.last.tag(body)
		s.carriedOut(body)
	case typ == 'T' && act == swallow && s.asked != nil:
		s.asked.begin()
	case typ == 'D' && act == swallow && s.asked != nil:
		s.asked.row(body)
	}
	if record && s.rec != nil {
		s.rec.begin(typ)
	}
	s.take(raw, act, record)
	if done != nil {
		s.completed(done)
	}
	return nil
}

// completed notes what a finished request means for our books.
func (s *Session) completed(o *owed) {
	if o.begin && o.kind == owedExecute {
		s.endDeferred()
	}
	if o.kind == owedParse && o.now != nil && !o.begin {
		s.accepted(o.now)
	}
	if o.kind == owedBind && o.now != nil {
		o.now.usable = usability{s.sentAt, s.searchPath}
	}
}

// notice forwards what the server says unasked. Notices of our own statements stay ours.
func (s *Session) notice(typ byte, raw []byte) error {
	ours := !s.led.empty() && s.led.front().action == swallow
	if typ == 'N' {
		if code := string(pgwire.ErrorField(raw[pgwire.HeaderSize:], 'C')); leaving(code) && s.mayRetry(code) {
			return nil // an immediate shutdown says so in a warning, and the connection ends: the client shall not notice
		}
		s.stopRecording() // a result that came with a notice cannot be repeated
	}
	if typ == 'A' || !ours {
		s.emit(raw)
	}
	return nil
}

// leaving reports whether a server that says this is about to end the connection: admin_shutdown, crash_shutdown.
func leaving(code string) bool { return code == codeAdminShutdown || code == "57P02" }

// parameter keeps what the server reports about itself and tells the client, unless it is the effect of a setting of the
// session's that was carried over: the client knows that one.
func (s *Session) parameter(raw []byte) error {
	name, value, err := pgwire.DecodeParameterStatus(raw[pgwire.HeaderSize:])
	if err != nil {
		return s.confused('S')
	}
	s.conn.Status.Set(name, value)
	if s.led.empty() || s.led.front().action == forward {
		s.emit(raw)
	}
	return nil
}

// failedStatement handles an ErrorResponse: for the client, for us, or as a reason to run the request elsewhere.
func (s *Session) failedStatement(raw []byte) error {
	body := raw[pgwire.HeaderSize:]
	code := pgwire.ErrorField(body, 'C')
	if sev := pgwire.ErrorField(body, 'V'); string(sev) == "FATAL" || string(sev) == "PANIC" {
		return s.fatal(raw, string(code))
	}
	if s.led.empty() {
		return s.confused('E')
	}
	s.stopRecording()
	s.learnLine(body, string(code))
	if s.mayRetry(string(code)) {
		s.retry.discarding, s.retry.code = true, string(code)
	}
	head := *s.led.front()
	if _, _, ok := s.led.received('E', 0); !ok {
		return s.confused('E')
	}
	switch head.action {
	case forward, synthesise:
		s.last.error(string(code))
		if s.effects&effSettings != 0 || len(s.unjudged) > 0 {
			s.effects |= effRefused
		}
		if string(code) == codeSyntaxError && head.kind == owedQuery {
			s.misspelt()
		}
		s.emit(s.rename(raw, &head, string(code)))
	case swallow:
		if s.asked != nil {
			s.asked.code = string(code)
			return nil
		}
		if s.retry.discarding && head.kind == owedQuery {
			return errRetry // the settings were not taken, for a reason that another node does not have
		}
		return s.ownFailure(&head, raw, string(code))
	}
	return nil
}

// fatal handles the end of the server connection, announced by the server.
func (s *Session) fatal(raw []byte, code string) error {
	s.stopRecording()                    // of a second attempt too: it would follow the rows of this one
	s.p.pools.Suspect(s.conn.Key().Node) // who ended this one may have ended others
	if s.mayRetry(code) && !s.meant(code) {
		return errRetry
	}
	s.last.error(code)
	s.emit(raw)
	_ = s.flushClient()
	s.release(false)
	return errGone
}

// meant reports whether an administrator ended just this server process, and with it the statement, which shall not be run
// again: the server itself goes on.
func (s *Session) meant(code string) bool {
	return code == codeAdminShutdown && s.p.endedAlone(s.p.background, s.conn.Key().Node)
}

// hear takes what the server said before its connection ended: writing may fail before it was read.
func (s *Session) hear() error {
	s.deaf = true
	defer func() { s.deaf = false }()
	for {
		if more, err := s.conn.Reader.TryFill(); err != nil || !more {
			return nil // there is nothing else to know about the end
		}
		if err := s.answers(); err != nil {
			return err
		}
		if err := s.flushAnswers(); err != nil {
			return err
		}
	}
}

// lost handles the end of the server connection without a word.
func (s *Session) lost(err error) error {
	if !s.deaf {
		if err := s.hear(); err != nil {
			return err
		}
	}
	node := s.conn.Key().Node
	s.p.cluster.Suspect(node)
	s.p.pools.Suspect(node)
	s.stopRecording()
	if s.mayRetry("") {
		return errRetry
	}
	final := s.irreplaceable()
	if s.midMessage() {
		s.release(false)
		return errGone
	}
	s.release(false)
	cause := err
	if errors.Is(err, io.EOF) {
		cause = fmt.Errorf("end of stream from %s", node)
	}
	return &failure{
		code: codeConnectionFailure, message: "the server connection was lost", err: cause, final: final,
		hint: "The statement may or may not have been carried out. Connect again and check before repeating it.",
	}
}

// confused ends a session whose server answered something that fits no request.
func (s *Session) confused(typ byte) error {
	node := s.conn.Key().Node
	gone := s.midMessage()
	s.release(false)
	if gone {
		return errGone
	}
	return &failure{
		code: codeProtocolViolation, message: fmt.Sprintf("the server %s sent an unexpected message of type %q", node, typ), final: true,
	}
}

// irreplaceable reports whether the session's place is on this server connection: its transaction, also one whose BEGIN was put
// off and has been answered without a ReadyForQuery behind it, what pins it, or a request of which more is to come. It must not
// go on without that as if nothing had happened.
func (s *Session) irreplaceable() bool {
	return s.led.status != 'I' || s.begun.sent && !s.begun.active || s.pins != 0 || s.led.copyIn || s.led.unsynced
}

// midMessage reports whether the client has the beginning of a message only: whatever came next would be taken for its rest.
func (s *Session) midMessage() bool { return s.partial.left > 0 && s.partial.action == forward }

// asynchronous forwards what the server said while the client was idle.
func (s *Session) asynchronous() error {
	for {
		if err := s.answers(); err != nil {
			return err
		}
		if err := s.lastWords(); err != nil {
			return err
		}
		if err := s.flushClient(); err != nil { // before the buffer that it lies in is filled again
			return err
		}
		more, err := s.conn.Reader.TryFill()
		if err != nil {
			return s.lost(err)
		}
		if !more {
			return nil
		}
	}
}

// leftOver looks at what lies in the server's buffer when nothing is owed. It may be news. An answer that nobody asked for
// would be taken for that to the next request.
func (s *Session) leftOver() error {
	if !s.led.empty() || len(s.conn.Reader.Buffered()) == 0 {
		return nil
	}
	if err := s.answers(); err != nil {
		return err
	}
	if err := s.lastWords(); err != nil {
		return err
	}
	if h, ok, _ := pgwire.Peek(s.conn.Reader.Buffered()); ok && !asynchronousType(h.Type) {
		return s.confused(h.Type)
	}
	return nil
}

// lastWords passes on why the server ends the connection of an idle client, as after idle_in_transaction_session_timeout.
func (s *Session) lastWords() error {
	buf := s.conn.Reader.Buffered()
	h, ok, err := pgwire.Peek(buf)
	if err != nil || !ok || h.Type != 'E' || h.Len > len(buf) || !s.led.empty() {
		return nil // answers looks at what else there may be
	}
	s.conn.Reader.Discard(h.Len)
	return s.failedStatement(buf[:h.Len])
}
