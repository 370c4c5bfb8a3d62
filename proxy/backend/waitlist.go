package backend

import (
	"sync"
	"time"
)

// grant is what a waiter is woken with: a connection that is leased to it already, an error, or neither, which
// means "dial yourself" and carries a place within max_connections.
type grant struct {
	conn *Conn
	gen  uint64 // of the pool, for the dial
	err  error
}

// waiter is one client in the queue. granted has room for one, so that whoever holds the pool's lock can send without
// blocking; a waiter that is not queued any more has exactly one grant there, which it must take.
type waiter struct {
	granted    chan grant
	timer      *time.Timer
	since      time.Duration
	queued     bool
	only       *Conn // the one connection that will do; nil for any
	prev, next *waiter
}

var waiters = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &waiter{granted: make(chan grant, 1), timer: t}
}}

// waitList is first in, first out, with removal from the middle.
type waitList struct {
	first, last *waiter
	n           int
}

func (l *waitList) push(w *waiter) {
	w.queued, w.prev, w.next = true, l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.n++
}

// pop returns nil if nobody waits.
func (l *waitList) pop() *waiter {
	w := l.first
	if w != nil {
		l.remove(w)
	}
	return w
}

// popFor returns the first for whom c will do; with nil for c the first for whom any will. Nil if there is none.
func (l *waitList) popFor(c *Conn) *waiter {
	for w := l.first; w != nil; w = w.next {
		if w.only == nil || w.only == c {
			l.remove(w)
			return w
		}
	}
	return nil
}

// released lets those who wait for c, which is gone, take any other.
func (l *waitList) released(c *Conn) {
	for w := l.first; w != nil; w = w.next {
		if w.only == c {
			w.only = nil
		}
	}
}

func (l *waitList) remove(w *waiter) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
	l.n--
}
