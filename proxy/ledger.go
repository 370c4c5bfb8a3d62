package proxy

// action says what becomes of a reply.
type action uint8

const (
	forward    action = iota // the client asked: it gets the reply
	swallow                  // we asked: the client never hears of it
	synthesise               // the client asked, we answer; nothing was sent to the server
)

// owedKind is the request that a reply is owed for.
type owedKind uint8

const (
	owedQuery owedKind = iota // ends with ReadyForQuery
	owedParse
	owedBind
	owedDescribeStatement
	owedDescribePortal
	owedExecute
	owedClose
	owedSync
	owedFunction // ends with ReadyForQuery
)

// owed is one entry of the ledger: a reply that is still to come, in protocol order.
type owed struct {
	kind   owedKind
	action action
	record bool // the reply belongs to the result that is being recorded for the cache
	begin  bool // of a BEGIN that was put off

	copied bool // Execute: the end of COPY data was sent behind it
	early  int  // Syncs between it and that end

	// What to take back if the server skips the request after an error; see statements.undo.
	undo  undoKind
	name  string    // the client's statement name
	prev  *prepared // what the name meant before
	now   *prepared // what it means now, or what an injected Parse prepares
	taken string    // our name on the server for the one the client used
	stale bool      // what now means has another shape by now: the error stands for PostgreSQL's
	check bool      // the answer is compared only
}

// ledger is the queue of replies owed to the client: the one machine of the protocol. Every message sent to the server is
// entered in order; every message received is matched with the head. It knows nothing of bytes, sockets or SQL.
// The rules are those of the PostgreSQL documentation, "Message Flow".
type ledger struct {
	queue    []owed
	head     int
	status   byte                      // transaction status of the last ReadyForQuery: I, T or E
	skipping bool                      // an extended-protocol error was received; the server ignores everything up to a Sync
	unsynced bool                      // extended messages were sent and no Sync after them
	copyIn   bool                      // the server waits for COPY data
	done     owed                      // what received returns a pointer to, so that nothing is allocated
	dropped  func(o owed, failed bool) // failed: the server refused it; otherwise it ignores it
}

// empty reports whether nothing is owed.
func (l *ledger) empty() bool { return l.head == len(l.queue) }

// idle reports whether the server connection is between transactions with nothing in flight.
func (l *ledger) idle() bool { return l.empty() && l.status == 'I' && !l.unsynced && !l.copyIn }

// sent enters a message that was (or will now be) written to the server. It reports false when the server is going to
// ignore the message, so that no reply is owed.
func (l *ledger) sent(o owed) bool {
	switch o.kind {
	case owedSync:
		l.skipping, l.unsynced = false, false
	case owedQuery, owedFunction:
		if l.skipping {
			return l.drop(o, false)
		}
		l.unsynced = false
	case owedParse, owedBind, owedDescribeStatement, owedDescribePortal, owedExecute, owedClose:
		if l.skipping {
			return l.drop(o, false)
		}
		l.unsynced = true
	}
	if l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	}
	l.queue = append(l.queue, o)
	return true
}

func (l *ledger) drop(o owed, failed bool) bool {
	if l.dropped != nil {
		l.dropped(o, failed)
	}
	return false
}

// front returns the entry whose reply comes next. Only valid when not empty.
func (l *ledger) front() *owed { return &l.queue[l.head] }

func (l *ledger) pop() owed {
	o := l.queue[l.head]
	l.queue[l.head] = owed{}
	l.head++
	return o
}

// received matches one backend message with the head of the queue and says what to do with it. done is the entry that the
// message completes, nil if it completes none; it is valid until the next call. Asynchronous messages (notice, notification,
// parameter status) do not come here. ok is false when the message fits nothing that is owed: the server connection is not
// to be trusted any more.
func (l *ledger) received(typ byte, txStatus byte) (act action, done *owed, ok bool) {
	if l.empty() {
		return forward, nil, false
	}
	h := l.front()
	act = h.action
	switch typ {
	case 'E':
		l.failed()
		return act, nil, true
	case 'Z':
		if h.kind != owedSync && h.kind != owedQuery && h.kind != owedFunction {
			return act, nil, false
		}
		l.status, l.copyIn = txStatus, false
		l.done = l.pop()
		return act, &l.done, true
	}
	ends, fits := h.kind.reply(typ)
	if !fits {
		return act, nil, false
	}
	switch typ {
	case 'G':
		l.copyIn = !h.copied
		l.forgetSyncs()
	case 'C':
		l.copyIn = false
	}
	if ends {
		l.done = l.pop()
		return act, &l.done, true
	}
	return act, nil, true
}

// reply reports whether a message type may answer the request and whether it is the last one to do so.
func (k owedKind) reply(typ byte) (ends, fits bool) {
	switch k {
	case owedQuery:
		switch typ {
		case 'T', 'D', 'C', 'I', 'G', 'H', 'W', 'd', 'c':
			return false, true
		}
	case owedFunction:
		return false, typ == 'V'
	case owedParse:
		return true, typ == '1'
	case owedBind:
		return true, typ == '2'
	case owedDescribeStatement:
		return typ != 't', typ == 't' || typ == 'T' || typ == 'n'
	case owedDescribePortal:
		return true, typ == 'T' || typ == 'n'
	case owedExecute:
		switch typ {
		case 'C', 'I', 's':
			return true, true
		case 'D', 'G', 'H', 'W', 'd', 'c':
			return false, true
		}
	case owedClose:
		return true, typ == '3'
	case owedSync:
		return false, false
	}
	return false, false
}

// failed applies an ErrorResponse: in the extended protocol the server ignores what follows up to a Sync.
func (l *ledger) failed() {
	l.copyIn = false
	switch l.front().kind {
	case owedQuery, owedFunction, owedSync:
		return
	case owedParse, owedBind, owedDescribeStatement, owedDescribePortal, owedExecute, owedClose:
	}
	// From the last to the first, so that each entry restores what the one before it had left.
	end := l.head
	for end < len(l.queue) && l.queue[end].kind != owedSync {
		end++
	}
	for i := end - 1; i >= l.head; i-- {
		l.drop(l.queue[i], i == l.head)
		l.queue[i] = owed{}
	}
	l.head = end
	l.skipping = l.empty()
}

// copyEnded enters that the end of COPY data was sent within a request. The server ignores it where it does not read any.
func (l *ledger) copyEnded() {
	syncs := 0
	for i := len(l.queue) - 1; i >= l.head; i-- {
		switch o := &l.queue[i]; o.kind {
		case owedSync:
			syncs++
			continue
		case owedExecute:
			if !o.copied {
				o.copied, o.early = true, syncs
			}
		case owedQuery, owedParse, owedBind, owedDescribeStatement, owedDescribePortal, owedClose, owedFunction:
		}
		return
	}
}

// forgetSyncs drops Syncs that were sent before the end of the COPY data that the server begins to read: it ignores them
// ("COPY Operations").
func (l *ledger) forgetSyncs() {
	h := l.front()
	if h.kind != owedExecute {
		return
	}
	for n := 0; (n < h.early || !h.copied) && l.head+1 < len(l.queue) && l.queue[l.head+1].kind == owedSync; n++ {
		l.queue = append(l.queue[:l.head+1], l.queue[l.head+2:]...)
		l.unsynced = l.queue[len(l.queue)-1].kind != owedSync
	}
}

// reset forgets everything, for a server connection that is gone.
func (l *ledger) reset() {
	clear(l.queue)
	*l = ledger{queue: l.queue[:0], status: 'I', dropped: l.dropped}
}
