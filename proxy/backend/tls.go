package backend

import (
	"crypto/tls"
	"fmt"
)

// SSLMode is libpq's sslmode. How far a certificate is verified is up to the tls.Config.
type SSLMode uint8

// The modes.
const (
	SSLDisable SSLMode = iota
	SSLPrefer          // encrypted if the server can, else not
	SSLRequire
	sslModes
)

var sslModeNames = [sslModes]string{"disable", "prefer", "require"}

func (m SSLMode) String() string { return sslModeNames[m] }

// ParseSSLMode is the inverse of String.
func ParseSSLMode(name string) (SSLMode, error) {
	for m, n := range sslModeNames {
		if n == name {
			return SSLMode(m), nil
		}
	}
	return 0, fmt.Errorf("sslmode %q is not known: write disable, prefer or require", name)
}

// TLS is how connections to servers are encrypted. Unix sockets never are, as with libpq.
type TLS struct {
	Mode SSLMode
	// Config is used as it is, with ServerName filled in from the address where it is empty. nil: nothing is verified,
	// as with libpq where there is no root certificate.
	Config *tls.Config
}

func (t TLS) client(host string) *tls.Config {
	if t.Config == nil {
		return &tls.Config{InsecureSkipVerify: true, ServerName: host} //nolint:gosec // see Config
	}
	if t.Config.ServerName != "" {
		return t.Config
	}
	cfg := t.Config.Clone()
	cfg.ServerName = host
	return cfg
}
