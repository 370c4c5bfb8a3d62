package pgwire

import (
	"errors"
	"os"
	"time"
)

// longAgo interrupts a parked read when set as its deadline.
var longAgo = time.Unix(1, 0)

// Wake makes the parked Read, or else the next one, return [ErrWoken]. Wakes
// that no Read has returned yet are one.
func (c *Conn) Wake() {
	c.wake.Lock()
	defer c.wake.Unlock()
	c.wake.pending = true
	c.woken.Store(true)
	// An error means that the connection is closed: its reader will see that.
	_ = c.nc.SetReadDeadline(longAgo)
}

// takeWake consumes a Wake. Flag and deadline change together under the lock, so
// that a Wake that comes meanwhile is neither lost nor leaves its deadline behind.
func (c *Conn) takeWake() bool {
	c.wake.Lock()
	defer c.wake.Unlock()
	if !c.wake.pending {
		return false
	}
	c.wake.pending = false
	c.woken.Store(false)
	_ = c.nc.SetReadDeadline(c.wake.deadline)
	return true
}

// SetDeadline limits start-up and login: reads and writes past t return
// os.ErrDeadlineExceeded. The zero time ends the limit. It costs a timer and is
// not meant for statements.
func (c *Conn) SetDeadline(t time.Time) error {
	c.wake.Lock()
	defer c.wake.Unlock()
	c.wake.deadline = t
	if err := c.nc.SetWriteDeadline(t); err != nil {
		return err
	}
	if c.wake.pending {
		return nil
	}
	return c.nc.SetReadDeadline(t)
}

// interrupted turns the deadline's error into what it stands for.
func (c *Conn) interrupted(err error) error {
	if !isDeadline(err) {
		return err
	}
	if c.takeWake() {
		return ErrWoken
	}
	return os.ErrDeadlineExceeded
}

func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// readBriefly is TryRead without a descriptor: net.Pipe and crypto/tls look at
// the deadline before they look for bytes, so one in the past finds nothing.
func (c *Conn) readBriefly(b []byte) (int, error) {
	c.wake.Lock()
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
	c.wake.Unlock()
	n, err := c.nc.Read(b)
	c.wake.Lock()
	if c.wake.pending {
		_ = c.nc.SetReadDeadline(longAgo)
	} else {
		_ = c.nc.SetReadDeadline(c.wake.deadline)
	}
	c.wake.Unlock()
	if isDeadline(err) {
		err = ErrWouldBlock
	}
	return n, err
}
