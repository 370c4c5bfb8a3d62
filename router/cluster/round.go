package cluster

import "sync"

// rounds batches questions: whoever joins gets the answer to a question that is sent after joining, and all who join while
// one is in flight share the next.
type rounds struct {
	wake chan struct{} // a round waits to be asked; capacity 1
	mu   struct {
		sync.Mutex
		next    *round // collects callers until it is taken
		stopped bool
	}
}

// round is one question and those who wait for its answer.
type round struct {
	done     chan struct{}
	callers  int      // fixed once taken
	position Position // valid after done
	err      error    // valid after done
}

func newRounds() *rounds { return &rounds{wake: make(chan struct{}, 1)} }

// join never blocks. The caller waits for done.
func (r *rounds) join() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.next == nil {
		next := &round{done: make(chan struct{})}
		if r.mu.stopped {
			next.finish(Position{}, errStopped)
			return next
		}
		r.mu.next = next
		signal(r.wake)
	}
	r.mu.next.callers++
	return r.mu.next
}

// take closes the round to newcomers. The taker must finish it. Nil if nobody waits.
func (r *rounds) take() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.mu.next
	r.mu.next = nil
	return next
}

// stop fails those who wait and all who come later.
func (r *rounds) stop() {
	r.mu.Lock()
	r.mu.stopped = true
	r.mu.Unlock()
	if next := r.take(); next != nil {
		next.finish(Position{}, errStopped)
	}
}

func (r *round) finish(p Position, err error) {
	r.position, r.err = p, err
	close(r.done)
}

// signal never blocks: one pending signal is as good as many.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// broadcast wakes everybody who waits for something to happen.
type broadcast struct {
	mu struct {
		sync.Mutex
		ch chan struct{}
	}
}

// next returns a channel that closes at the next send. Take it before looking at what may change.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.ch == nil {
		b.mu.ch = make(chan struct{})
	}
	return b.mu.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.ch != nil {
		close(b.mu.ch)
		b.mu.ch = nil
	}
}
