package demo

import (
	"fmt"
	"net"
	"strconv"
)

// nextFree returns addr, or the same host with the next port on which nobody listens.
func nextFree(addr string) (string, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", addr, err)
	}
	first, err := strconv.Atoi(portText)
	if err != nil {
		return "", fmt.Errorf("address %q: the port has to be a number", addr)
	}
	const attempts = 100
	var lastErr error
	for port := first; port < first+attempts && port <= 65535; port++ {
		candidate := net.JoinHostPort(host, strconv.Itoa(port))
		l, err := net.Listen("tcp", candidate)
		if err != nil {
			lastErr = err
			continue
		}
		return candidate, l.Close()
	}
	return "", fmt.Errorf("no free port from %s on: %w", addr, lastErr)
}
