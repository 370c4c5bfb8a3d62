package backend

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

var (
	// ErrTimeout is what every TimeoutError is; SQLSTATE 53300.
	ErrTimeout = errors.New("no server connection became free in time")
	// ErrClosed says that the pools are shutting down; SQLSTATE 57P01.
	ErrClosed = errors.New("server connection pools are closed")
	// ErrNotHome says that a tenant has no home any more.
	ErrNotHome = errors.New("the tenant has no home in this pool")
	// ErrNotLeased says that the lease to be cancelled is over: there is nothing to cancel.
	ErrNotLeased = errors.New("server connection is no longer leased")

	errCancelTimeout  = errors.New("the server did not take notice of a cancel within pool.connect_timeout")
	errConnectTimeout = errors.New("the server did not accept a connection and login within pool.connect_timeout")
)

// TimeoutError tells a client that waited in vain how things stood when it gave up.
type TimeoutError struct {
	Key            Key
	MaxConnections int
	Waiting        int // others, still waiting
	Waited         time.Duration
	LastDial       error // why the last attempt to connect failed, if that is why there was nothing to lend
}

func (e *TimeoutError) Error() string {
	s := fmt.Sprintf("no server connection became free within %s for database %q, user %q on %s: "+
		"all %d of pool.max_connections are in use, %d more clients wait",
		e.Waited.Round(time.Millisecond), e.Key.Database, e.Key.User, e.Key.Node, e.MaxConnections, e.Waiting)
	if e.LastDial != nil {
		s += ": last attempt to connect: " + e.LastDial.Error()
	}
	return s
}

// Is makes errors.Is(err, ErrTimeout) true.
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

func (e *TimeoutError) Unwrap() error { return e.LastDial }

// ServerError is an ErrorResponse that ended a dial.
type ServerError struct {
	Body     []byte // of the ErrorResponse, to be forwarded as it is
	Severity string // not localised where the server sends that (from 9.6 on)
	Code     string // SQLSTATE
	Message  string
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("server: %s: %s (SQLSTATE %s)", e.Severity, e.Message, e.Code)
}

// Final says that trying again is of no use: the database (3D000) or the login (class 28) is not as it was.
func (e *ServerError) Final() bool { return e.Code == "3D000" || strings.HasPrefix(e.Code, "28") }

// NewServerError keeps a copy of the body of an ErrorResponse. Fields that are missing stay empty.
func NewServerError(body []byte) *ServerError {
	body = slices.Clone(body)
	severity := pgwire.ErrorField(body, 'V')
	if severity == nil {
		severity = pgwire.ErrorField(body, 'S')
	}
	return &ServerError{
		Body: body, Severity: string(severity),
		Code: string(pgwire.ErrorField(body, 'C')), Message: string(pgwire.ErrorField(body, 'M')),
	}
}
