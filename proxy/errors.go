package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// failure is the one error that crosses to a client.
type failure struct {
	code    string // SQLSTATE
	message string // safe to show
	detail  string
	hint    string
	body    []byte // a server's own ErrorResponse, forwarded as it is
	err     error  // the cause, for the log only
	final   bool   // it ends the session
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.message + ": " + f.err.Error()
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.err }

// The SQLSTATEs that aioproxy raises itself (PostgreSQL documentation, appendix A).
const (
	codeConnectionFailure  = "08006"
	codeProtocolViolation  = "08P01"
	codeFeature            = "0A000"
	codeTooManyConnections = "53300"
	codeAdminShutdown      = "57P01"
	codeCannotConnect      = "57P03"
	codeQueryCanceled      = "57014"
	codeInvalidAuth        = "28000"
	codeSyntaxError        = "42601"
	codeNoPrivilege        = "42501"
	codeDuplicateStatement = "42P05"
	codeUndefinedStatement = "26000"

	codeInFailedTransaction = "25P02"
)

// errGone ends a session whose client or server connection cannot go on; everything that could be said has been said.
var errGone = errors.New("session is over")

func violation(format string, args ...any) *failure {
	return &failure{code: codeProtocolViolation, message: fmt.Sprintf(format, args...)}
}

// asFailure turns what went wrong before a statement ran into what the client reads.
func asFailure(err error) *failure {
	var (
		f       *failure
		server  *backend.ServerError
		timeout *backend.TimeoutError
		refused *auth.Error
	)
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &timeout):
		return &failure{
			code: codeTooManyConnections, message: timeout.Error(), err: err,
			hint: "All server connections of this database and user are busy. Raise pool.max_connections or pool.acquire_timeout, or look for clients that stay in a transaction.",
		}
	case errors.As(err, &server):
		return &failure{code: server.Code, message: server.Message, body: server.Body, err: err}
	case errors.As(err, &refused):
		return &failure{code: refused.Code, message: refused.Message, err: err}
	case errors.Is(err, errShutdown), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{code: codeAdminShutdown, message: "terminating connection due to administrator command", err: err}
	default:
		return &failure{
			code: codeCannotConnect, message: "aioproxy cannot reach a server for this statement", err: err,
			hint: "Try again in a few seconds; the log of aioproxy names the node and the cause.",
		}
	}
}

// append writes the failure as an ErrorResponse of this severity (ERROR or FATAL).
func (f *failure) append(dst []byte, severity string) []byte {
	if f.body != nil {
		return pgwire.AppendErrorSeverity(dst, f.body, severity)
	}
	return pgwire.AppendErrorResponse(dst, &pgwire.ErrorFields{
		Severity: severity, Code: f.code, Message: f.message, Detail: f.detail, Hint: f.hint,
	})
}
