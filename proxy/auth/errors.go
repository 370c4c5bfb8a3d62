package auth

// Reason is why a login was refused; it is for logs and metrics, the client must not
// learn it.
type Reason uint8

// The reasons of an [Error].
const (
	ReasonNone           Reason = iota
	ReasonUnknownRole           // no such role
	ReasonNoPassword            // the role has none
	ReasonUnusableSecret        // stored as md5, or unreadable
	ReasonExpired               // VALID UNTIL has passed
	ReasonWrongProof            // wrong password
	ReasonNoLogin               // the role may not log in
	ReasonProtocol              // the client does not follow the protocol
	ReasonLookup                // the secret could not be looked up
)

func (r Reason) String() string {
	switch r {
	case ReasonNone:
		return "none"
	case ReasonUnknownRole:
		return "unknown_role"
	case ReasonNoPassword:
		return "no_password"
	case ReasonUnusableSecret:
		return "unusable_secret"
	case ReasonExpired:
		return "expired"
	case ReasonWrongProof:
		return "wrong_proof"
	case ReasonNoLogin:
		return "no_login"
	case ReasonProtocol:
		return "protocol"
	case ReasonLookup:
		return "lookup"
	}
	return "unknown"
}

// SQLSTATEs (PostgreSQL's errcodes.txt).
const (
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codeProtocolViolation    = "08P01"
	codeNotSupported         = "0A000"
	codeCannotConnectNow     = "57P03"
	codeInternal             = "XX000"
)

// Error is a refused login with what PostgreSQL would tell the client, as FATAL.
type Error struct {
	Reason                Reason
	Code, Message, Detail string
	Err                   error // the cause, for the log
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

func passwordFailed(user string, why Reason) error {
	return &Error{
		Reason: why, Code: codeInvalidPassword,
		Message: `password authentication failed for user "` + user + `"`,
	}
}

func notPermitted(user string) error {
	return &Error{
		Reason: ReasonNoLogin, Code: codeInvalidAuthorization,
		Message: `role "` + user + `" is not permitted to log in`,
	}
}

func lookupError(user string, err error) error {
	return &Error{
		Reason: ReasonLookup, Code: codeCannotConnectNow,
		Message: `could not look up role "` + user + `"`, Err: err,
	}
}

func malformed(detail string) error {
	return &Error{Reason: ReasonProtocol, Code: codeProtocolViolation, Message: "malformed SCRAM message", Detail: detail}
}

func violation(message, detail string) error {
	return &Error{Reason: ReasonProtocol, Code: codeProtocolViolation, Message: message, Detail: detail}
}
