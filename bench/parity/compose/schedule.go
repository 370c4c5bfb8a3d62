package compose

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// patience is how long the others wait for a step; then it waits for a server connection, most likely, and they go on.
const patience = 15 * time.Millisecond

// apart runs every program on a target with nothing but locks of the server's in its way. It is the way of direct sessions.
func apart(ctx context.Context, t *target, programs []Program) []*session {
	sessions := make([]*session, len(programs))
	var all sync.WaitGroup
	for i := range programs {
		s := newSession(t, &programs[i])
		sessions[i] = s
		all.Go(func() {
			for !s.done() {
				s.step(ctx)
			}
			s.finish()
		})
	}
	all.Wait()
	return sessions
}

// schedule lets one session after the other take a step, as chosen by seed. A session whose step takes long is left alone until
// it is done.
type schedule struct {
	*rand.Rand
	sessions []*session
	ready    []int
	busy     int
	done     chan int
}

func interleaved(ctx context.Context, t *target, programs []Program, seed uint64) []*session {
	sc := &schedule{Rand: rand.New(rand.NewPCG(seed, 1)), done: make(chan int, len(programs))}
	var all sync.WaitGroup
	defer all.Wait()
	turns := make([]chan struct{}, len(programs))
	for i := range programs {
		s := newSession(t, &programs[i])
		sc.sessions = append(sc.sessions, s)
		sc.ready = append(sc.ready, i)
		turns[i] = make(chan struct{}, 1)
		all.Go(func() {
			for range turns[i] {
				s.turn(ctx)
				sc.done <- i
			}
		})
	}
	for len(sc.ready)+sc.busy > 0 {
		if at := sc.choose(); at >= 0 {
			turns[at] <- struct{}{}
		}
		sc.wait()
	}
	for _, c := range turns {
		close(c)
	}
	return sc.sessions
}

// turn is a step, or the end after the last one.
func (s *session) turn(ctx context.Context) {
	if s.done() {
		s.finish()
		s.ended = true
		return
	}
	s.step(ctx)
}

// choose takes a session that may go on, -1 where all are busy.
func (sc *schedule) choose() int {
	if len(sc.ready) == 0 {
		return -1
	}
	k := sc.IntN(len(sc.ready))
	at := sc.ready[k]
	sc.ready = append(sc.ready[:k], sc.ready[k+1:]...)
	sc.busy++
	return at
}

// wait gives the sessions under way some time; it does not return while all are busy.
func (sc *schedule) wait() {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	late := timer.C
	if len(sc.ready) == 0 {
		late = nil
	}
	select {
	case i := <-sc.done:
		sc.back(i)
	case <-late:
	}
	for {
		select {
		case i := <-sc.done:
			sc.back(i)
			continue
		default:
		}
		return
	}
}

func (sc *schedule) back(i int) {
	sc.busy--
	if !sc.sessions[i].ended {
		sc.ready = append(sc.ready, i)
	}
}
