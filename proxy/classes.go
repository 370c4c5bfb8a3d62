package proxy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aioproxy/aioproxy/router"
)

// classes holds back statements of a class beyond its max_concurrency, first come first served.
type classes struct {
	mu struct {
		sync.Mutex
		running map[router.Class]int
		waiting map[router.Class][]chan struct{}
	}
}

// enter takes a place of the class and returns what gives it back.
func (c *classes) enter(ctx context.Context, class router.Class, limit int) (leave func(), err error) {
	c.mu.Lock()
	if c.mu.running == nil {
		c.mu.running, c.mu.waiting = map[router.Class]int{}, map[router.Class][]chan struct{}{}
	}
	if c.mu.running[class] < limit && len(c.mu.waiting[class]) == 0 {
		c.mu.running[class]++
		c.mu.Unlock()
		return func() { c.leave(class) }, nil
	}
	turn := make(chan struct{})
	c.mu.waiting[class] = append(c.mu.waiting[class], turn)
	c.mu.Unlock()
	select {
	case <-turn:
		return func() { c.leave(class) }, nil
	case <-ctx.Done():
		c.giveUp(class, turn)
		return nil, context.Cause(ctx)
	}
}

// leave hands the place to who waits longest.
func (c *classes) leave(class router.Class) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.mu.waiting[class]; len(w) > 0 {
		close(w[0])
		c.mu.waiting[class] = w[1:]
		return
	}
	c.mu.running[class]--
}

func (c *classes) giveUp(class router.Class, turn chan struct{}) {
	c.mu.Lock()
	for i, w := range c.mu.waiting[class] {
		if w == turn {
			c.mu.waiting[class] = append(c.mu.waiting[class][:i:i], c.mu.waiting[class][i+1:]...)
			c.mu.Unlock()
			return
		}
	}
	c.mu.Unlock()
	c.leave(class) // the turn came in the same moment
}

// enterClass waits for a place where the request's class has a limit.
func (s *Session) enterClass(ctx context.Context, dec router.Decision) error {
	limit := dec.Policy.MaxConcurrency
	if limit <= 0 || s.slot != nil || !s.atWork() {
		return nil
	}
	began := time.Now()
	wait, stop := context.WithTimeoutCause(ctx, time.Duration(s.p.primaryWait.Load()), &failure{
		code: codeTooManyConnections, message: fmt.Sprintf("too many statements of class %s are running", dec.Class),
		hint: fmt.Sprintf("Raise classes.%s.max_concurrency (now %d) or pool.acquire_timeout, or try again later.", dec.Class, limit),
	})
	defer stop()
	leave, err := s.p.classes.enter(wait, dec.Class, limit)
	s.last.wait += time.Since(began)
	if err != nil {
		return s.waitFailed(ctx, err)
	}
	s.slot = leave
	return nil
}
