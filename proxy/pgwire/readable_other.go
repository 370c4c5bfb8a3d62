//go:build !linux

package pgwire

// Readable is false where there is no descriptor to ask.
func (c *Conn) Readable() bool { return false }
