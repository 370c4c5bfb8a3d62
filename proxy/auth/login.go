package auth

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol's own choice, for servers that still ask for it
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// ServerError is an ErrorResponse that a server answered a login with.
type ServerError struct {
	Body          []byte // of the ErrorResponse, to be shown to the client as it is
	Code, Message string
}

func (e *ServerError) Error() string { return e.Message + " (SQLSTATE " + e.Code + ")" }

// StaleKeysError says that the keys recovered from a client's proof are not of the secret
// that this server has for the role. The password has been changed, or the servers have different
// ones; the client has to log in again.
type StaleKeysError struct {
	User string
	Err  error // the server's refusal, if it got so far
}

func (e *StaleKeysError) Error() string {
	return fmt.Sprintf("the password of role %q was changed after the client logged in", e.User)
}

func (e *StaleKeysError) Unwrap() error { return e.Err }

var errOtherSecret = errors.New("keys are of another secret")

// MissingCredentialsError says that the server asks for something that we have not got.
type MissingCredentialsError struct{ User, Asked, Advice string }

func (e *MissingCredentialsError) Error() string {
	return fmt.Sprintf("server asks for %s of role %q, which aioproxy does not have: %s", e.Asked, e.User, e.Advice)
}

// Responder answers a server's Authentication messages one by one.
type Responder struct {
	user  string
	cred  *Credentials
	scram *scramClient
}

// NewResponder returns the answering side of one login; cred may be nil.
func NewResponder(user string, cred *Credentials) *Responder {
	if cred == nil {
		cred = &Credentials{}
	}
	return &Responder{user: user, cred: cred}
}

// Login answers the server's Authentication messages until AuthenticationOk. What the
// server says before it besides (notices, NegotiateProtocolVersion) is passed to other,
// which may be nil. A refusal is a [*ServerError], [*StaleKeysError] or
// [*MissingCredentialsError].
func Login(c *pgwire.Conn, r *pgwire.Reader, user string, cred *Credentials, other func(pgwire.Frame) error) error {
	a := NewResponder(user, cred)
	for {
		f, err := r.Next()
		if err != nil {
			return err
		}
		switch {
		case f.Partial:
			return fmt.Errorf("server sent a message of %d bytes during login", f.Len)
		case f.Type == pgwire.MsgErrorResponse:
			return a.Refused(f.Body)
		case f.Type == pgwire.MsgAuthentication:
			reply, done, err := a.Answer(f.Body)
			if err != nil || done {
				return err
			}
			if err := c.Write(reply); err != nil {
				return err
			}
		case other != nil:
			if err := other(f); err != nil {
				return err
			}
		}
	}
}

// Refused turns the body of the server's ErrorResponse into an error.
func (a *Responder) Refused(body []byte) error {
	e := &ServerError{
		Body:    bytes.Clone(body),
		Code:    string(pgwire.ErrorField(body, 'C')),
		Message: string(pgwire.ErrorField(body, 'M')),
	}
	if e.Code == codeInvalidPassword && a.scram != nil && a.cred.hasKeys() {
		return &StaleKeysError{User: a.user, Err: e}
	}
	return e
}

// Answer returns the reply to an Authentication message's body, empty where none is due,
// and whether it was AuthenticationOk.
func (a *Responder) Answer(body []byte) (reply []byte, done bool, err error) {
	code, data, err := pgwire.DecodeAuthentication(body)
	if err != nil {
		return nil, false, err
	}
	switch code {
	case pgwire.AuthOk:
		if a.scram != nil && !a.scram.proved {
			return nil, false, errors.New("server ended the SCRAM exchange without proving that it knows the role's secret")
		}
		return nil, true, nil
	case pgwire.AuthCleartextPassword:
		reply, err = a.cleartext()
	case pgwire.AuthMD5Password:
		reply, err = a.md5(data)
	case pgwire.AuthSASL:
		reply, err = a.startSCRAM(data)
	case pgwire.AuthSASLContinue:
		reply, err = a.continueSCRAM(data)
	case pgwire.AuthSASLFinal:
		if a.scram == nil {
			return nil, false, errSCRAM
		}
		err = a.scram.verify(string(data))
	default:
		err = a.missing(fmt.Sprintf("authentication method %d", code),
			"let pg_hba.conf ask aioproxy's address for scram-sha-256 or trust")
	}
	return reply, false, err
}

func (a *Responder) cleartext() ([]byte, error) {
	if a.cred.Password == "" {
		return nil, a.missing("the password itself", "let pg_hba.conf ask for scram-sha-256 instead of password")
	}
	return pgwire.AppendPassword(nil, a.cred.Password), nil
}

func (a *Responder) md5(salt []byte) ([]byte, error) {
	if len(salt) != 4 {
		return nil, errors.New("server sent an md5 salt of a wrong length")
	}
	if a.cred.Password == "" {
		return nil, a.missing("an md5 password",
			"set the password again with password_encryption = 'scram-sha-256' and let pg_hba.conf ask for scram-sha-256")
	}
	return pgwire.AppendPassword(nil, "md5"+md5Hex(md5Hex(a.cred.Password+a.user)+string(salt))), nil
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

func (a *Responder) startSCRAM(mechanisms []byte) ([]byte, error) {
	offered := false
	for len(mechanisms) > 0 && mechanisms[0] != 0 {
		name, rest, err := pgwire.CString(mechanisms)
		if err != nil {
			return nil, err
		}
		offered = offered || string(name) == mechanism
		mechanisms = rest
	}
	switch {
	case !offered:
		return nil, a.missing("a SASL mechanism other than "+mechanism, "let pg_hba.conf ask for scram-sha-256")
	case !a.cred.hasKeys() && a.cred.Password == "":
		return nil, a.missing("a SCRAM password",
			"use auth.method: scram-sha-256, or let pg_hba.conf trust aioproxy's address; for aioproxy's own connections set control.password")
	}
	a.scram = newSCRAMClient(a.cred)
	return a.scram.first(), nil
}

func (a *Responder) continueSCRAM(data []byte) ([]byte, error) {
	if a.scram == nil || a.scram.serverSignature != nil {
		return nil, errSCRAM
	}
	reply, err := a.scram.final(string(data))
	if errors.Is(err, errOtherSecret) {
		return nil, &StaleKeysError{User: a.user}
	}
	return reply, err
}

func (a *Responder) missing(asked, advice string) error {
	return &MissingCredentialsError{User: a.user, Asked: asked, Advice: advice}
}
