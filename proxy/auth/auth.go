// Package auth is how a client proves who it is to aioproxy, and how aioproxy proves
// it to a server. SCRAM makes the two one: a client's proof reveals its ClientKey,
// which is enough to log in elsewhere under the same secret, so nobody keeps passwords.
package auth

import (
	"context"
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// Credentials are what we can offer a server for a role. The zero value is nothing,
// for servers that trust us.
type Credentials struct {
	ClientKey, ServerKey []byte // as recovered from a client's proof
	Password             string

	// Salt and Iterations are those of the secret that the keys come from. A server
	// whose secret has others will not take the keys. Nil: not known.
	Salt       []byte
	Iterations int
}

// Secret is what the database knows of a role.
type Secret struct {
	Found      bool
	CanLogin   bool
	ValidUntil time.Time // zero: for ever
	Password   string    // rolpassword as stored; "" for none
}

// Lookup finds the secret of a role. A role that does not exist is Found: false, not
// an error.
type Lookup interface {
	Secret(ctx context.Context, user string) (Secret, error)
}

// Authenticator lets clients prove who they are.
type Authenticator struct {
	method  Method
	lookup  Lookup
	metrics *Metrics
	mock    mockKey
}

// Deps is what an Authenticator works with.
type Deps struct {
	Lookup  Lookup   // not asked where the method is trust
	Metrics *Metrics // may be nil
}

// New returns an Authenticator for a valid configuration.
func New(cfg Config, deps Deps) *Authenticator {
	return &Authenticator{method: cfg.Method, lookup: deps.Lookup, metrics: deps.Metrics, mock: newMockKey()}
}

// Authenticate holds the exchange with a client that has sent its StartupMessage. If it
// returns without error, AuthenticationOk has been sent. A refusal is an [*Error], not yet
// told to the client. How long it takes is limited by ctx and the connection's deadline.
//
// Under trust there is no exchange, and whether role and database exist is for the
// server's own login to say.
func (a *Authenticator) Authenticate(ctx context.Context, c *pgwire.Conn, r *pgwire.Reader, user, database string) (*Credentials, error) {
	// The woken reader sees why in ctx; a Wake after the exchange concerns a session
	// whose ctx is over as well.
	stop := context.AfterFunc(ctx, c.Wake)
	defer stop()
	cred, err := a.authenticate(ctx, c, r, user)
	if err == pgwire.ErrWoken && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	a.metrics.attempt(a.method, err)
	return cred, err
}

func (a *Authenticator) authenticate(ctx context.Context, c *pgwire.Conn, r *pgwire.Reader, user string) (*Credentials, error) {
	switch a.method {
	case MethodTrust:
		return &Credentials{}, c.Write(pgwire.AppendAuthenticationOk(nil))
	case MethodSCRAM:
		return a.scram(ctx, c, r, user)
	}
	return nil, &Error{Reason: ReasonProtocol, Code: codeInternal, Message: "authentication method is not configured"}
}

// forgetter is a Lookup that remembers; after a refusal it must not.
type forgetter interface{ Forget(user string) }

func (a *Authenticator) scram(ctx context.Context, c *pgwire.Conn, r *pgwire.Reader, user string) (*Credentials, error) {
	secret, err := a.lookup.Secret(ctx, user)
	if err != nil {
		return nil, lookupError(user, err)
	}
	keys, doomed := a.secretFor(user, secret)
	cred, err := (&scramServer{c: c, r: r, secret: keys, doomed: doomed, user: user}).run()
	if err != nil {
		// The password may just have been changed: the next try shall see it.
		if f, ok := a.lookup.(forgetter); ok {
			f.Forget(user)
		}
		return nil, err
	}
	if !secret.CanLogin {
		return nil, notPermitted(user)
	}
	return cred, nil
}

// secretFor returns what to hold the exchange with, and why it must fail in the end if
// it must: the exchange looks the same, so that nobody learns which roles exist.
func (a *Authenticator) secretFor(user string, s Secret) (scramSecret, Reason) {
	if !s.Found {
		return a.mock.secret(user), ReasonUnknownRole
	}
	keys, err := parseSecret(s.Password)
	switch {
	case s.Password == "":
		return a.mock.secret(user), ReasonNoPassword
	case err != nil:
		return a.mock.secret(user), ReasonUnusableSecret
	case !s.ValidUntil.IsZero() && s.ValidUntil.Before(time.Now()):
		return a.mock.secret(user), ReasonExpired
	}
	return keys, ReasonNone
}
