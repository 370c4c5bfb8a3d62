package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
)

// startup takes a client from its first byte to ReadyForQuery. All of it happens within login_timeout.
func (s *Session) startup(ctx context.Context) error {
	if err := s.wire.SetDeadline(time.Now().Add(s.p.config().LoginTimeout)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = s.wire.Close() })() // a stop does not wait for who says nothing
	packet, err := s.negotiate()
	if err != nil {
		return s.startupError(err)
	}
	if packet.Code == pgwire.CodeCancelRequest {
		s.p.cancel(ctx, packet.CancelPID, packet.CancelKey)
		return errGone
	}
	if err := s.identify(packet); err != nil {
		return err
	}
	if !s.p.admit(s) {
		return &failure{
			code: codeTooManyConnections, message: "sorry, too many clients already",
			hint: "Raise max_clients of aioproxy, or close connections that are not needed.",
		}
	}
	ctx, stop := context.WithTimeout(ctx, s.p.config().LoginTimeout)
	defer stop()
	cred, err := s.p.auth.Authenticate(ctx, s.wire, s.client, s.user, s.database)
	if err != nil {
		return s.loginError(err)
	}
	s.cred = cred
	var welcome []byte
	switch {
	case s.replication != nil:
		welcome, err = s.connectApart(ctx)
	case s.database == consoleDatabase:
		welcome, err = s.openConsole()
	default:
		welcome, err = s.welcomeAs(ctx, packet)
	}
	if err != nil {
		return s.loginError(err)
	}
	if s.replication == nil && s.database != consoleDatabase {
		if err := s.moveIn(ctx); err != nil {
			return s.loginError(err)
		}
	}
	if err := s.wire.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s.client.SetLimit(window)
	if s.console == nil {
		s.p.metrics.sessions.Inc()
	}
	s.cout = append(s.cout[:0], welcome...)
	s.cout = pgwire.AppendBackendKeyData(s.cout, s.pid, s.secret[:])
	s.cout = pgwire.AppendReadyForQuery(s.cout, 'I')
	return s.flushClient()
}

func (s *Session) startupError(err error) error {
	var length *pgwire.LengthError
	var bad *pgwire.StartupError
	switch {
	case errors.As(err, &bad):
		return violation("%s", err.Error())
	case errors.As(err, &length): // not our protocol: PostgreSQL closes without a word too
		return errGone
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF):
		return errGone
	}
	return err
}

// loginError: what the client may hear goes to the client, and what the operator has to know into the log.
func (s *Session) loginError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errGone
	}
	f := asFailure(err)
	s.log.Info("login failed", s.p.address(s), userField(s.user), databaseField(s.database), codeField(f.code), errorField(err))
	s.p.metrics.loginFailed(f.code)
	return f
}

// negotiate answers requests for encryption until the client sends what it is about.
func (s *Session) negotiate() (*pgwire.Startup, error) {
	asked := map[uint32]bool{}
	for {
		packet, err := pgwire.ReadStartup(s.client, pgwire.MaxStartupLength)
		if err != nil {
			return nil, err
		}
		switch {
		case asked[packet.Code]: // for the second time it is taken for a version, of a protocol that there is not
			return packet, nil
		case packet.Code == pgwire.CodeGSSENCRequest:
			err = s.wire.Write([]byte{'N'})
		case packet.Code == pgwire.CodeSSLRequest:
			err = s.encrypt()
		default: // an open set
			return packet, nil
		}
		if err != nil {
			return nil, err
		}
		asked[packet.Code] = true
	}
}

func (s *Session) encrypt() error {
	if s.p.tls == nil || s.wire.TLS() != nil {
		return s.wire.Write([]byte{'N'})
	}
	if len(s.client.Buffered()) > 0 {
		return violation("received unencrypted data after SSL request")
	}
	if err := s.wire.Write([]byte{'S'}); err != nil {
		return err
	}
	return s.client.StartTLS(s.p.tls, true)
}

// identify reads the start-up packet as PostgreSQL's ProcessStartupPacket does.
func (s *Session) identify(packet *pgwire.Startup) error {
	if packet.Major() != 3 {
		message := fmt.Sprintf("unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", packet.Major(), packet.Minor())
		if packet.Major() < 3 { // errors had another form then (send_message_to_frontend in elog.c)
			_ = s.wire.Write([]byte("EFATAL:  " + message + "\n\x00"))
			return errGone
		}
		return &failure{code: codeFeature, message: message}
	}
	if s.p.config().TLS.Mode == "require" && s.wire.TLS() == nil {
		return &failure{
			code: codeInvalidAuth, message: "this server accepts encrypted connections only",
			hint: "Connect with sslmode=require or stronger.",
		}
	}
	s.user = name(packet.Get("user"))
	if s.user == "" {
		return &failure{code: codeInvalidAuth, message: "no PostgreSQL user name specified in startup packet"}
	}
	s.database = name(packet.Get("database"))
	if s.database == "" {
		s.database = s.user
	}
	var err error
	if s.replication, err = replicationOf(packet); err != nil {
		return err
	}
	if packet.Minor() > 0 || len(packet.Extensions) > 0 {
		names := make([]string, len(packet.Extensions))
		for i, e := range packet.Extensions {
			names[i] = e.Name
		}
		return s.wire.Write(pgwire.AppendNegotiateProtocolVersion(nil, pgwire.Version30, names...))
	}
	return nil
}

// name cuts what is longer than a name can be (NAMEDATALEN), as ProcessStartupPacket does.
func name(s string) string { return s[:min(len(s), 63)] }

// welcomeQuery asks for what a session has to know of its defaults.
const welcomeQuery = "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_setting('default_transaction_read_only'), " +
	"pg_catalog.current_setting('default_transaction_isolation')"

// welcome returns the ParameterStatus messages that a server of this database gives this user. It logs in to a server as
// the user, so that whatever PostgreSQL has against it is said in PostgreSQL's words, unless that was done moments ago.
func (s *Session) welcome(ctx context.Context) ([]byte, error) {
	key := welcomeKey{s.database, s.user, s.base}
	s.loggedIn = s.p.logins.latest.Load()
	if w := s.p.welcomes.get(key, s.loggedIn); w != nil {
		s.setDefaults(&w.defaults)
		return w.status, nil
	}
	s.setDefaults(&defaults{})
	dec := router.Decision{Target: router.Primary, Read: true, Rule: -1}
	if err := s.acquire(ctx, dec); err != nil {
		return nil, err
	}
	w, err := s.greet(welcomeQuery)
	if err != nil {
		return nil, err
	}
	w.loggedIn = s.loggedIn
	s.p.welcomes.put(key, w)
	s.setDefaults(&w.defaults)
	s.release(true)
	return w.status, nil
}

func (s *Session) setDefaults(d *defaults) {
	s.defaults = d
	s.settings = nil // work out again what follows from the defaults
	s.setSettings(s.base)
}

// greet applies the session's settings, asks the welcome query and collects what the server reports about itself.
func (s *Session) greet(query string) (*welcomed, error) {
	s.req.reset()
	s.req.complete = true
	s.out = s.out[:0]
	if err := s.prepareServer(); err != nil {
		return nil, err
	}
	if err := s.writeServer(s.out); err != nil {
		return nil, err
	}
	if err := s.relay(); err != nil {
		return nil, err
	}
	values, err := s.ask(query)
	if err != nil {
		return nil, err
	}
	if len(values) != 3 {
		return nil, errAsk
	}
	w := &welcomed{defaults: defaults{searchPath: string(values[0]), readOnly: string(values[1]) == "on", isolation: string(values[2])}}
	s.conn.Status.Each(func(name, value string) {
		w.status = pgwire.AppendParameterStatus(w.status, name, value)
	})
	return w, nil
}
