package pgwire

import "errors"

// CloseWrite tells the peer that nothing more comes, while reading goes on. It parks as Write does. A transport that
// cannot say so (net.Pipe) gives errors.ErrUnsupported.
func (c *Conn) CloseWrite() error {
	if c.tls != nil {
		if err := c.tls.under.flush(); err != nil {
			return err
		}
		return c.tls.CloseWrite()
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
