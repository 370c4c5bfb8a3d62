package testbed

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

const host = "127.0.0.1"

// Below the range from which Linux takes the source ports of outgoing
// connections: nobody gets the port of a stopped server by accident, and a client
// that dials a stopped server cannot connect to itself.
const (
	portLow  = 20000
	portHigh = 32000
)

func freePort() (int, error) {
	for range 200 {
		port := portLow + rand.IntN(portHigh-portLow)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("no free port found")
}

func portTaken(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return true
	}
	return l.Close() != nil
}
