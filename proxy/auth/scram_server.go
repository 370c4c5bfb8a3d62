package auth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// scramServer is one exchange, as in PostgreSQL's src/backend/libpq/auth-scram.c.
type scramServer struct {
	c      *pgwire.Conn
	r      *pgwire.Reader
	user   string
	secret scramSecret
	doomed Reason // not ReasonNone: fails whatever the client proves

	bindingFlag     byte // 'n' or 'y': how c= must read in the end
	clientFirstBare string
	nonce           string // the client's and ours
	serverFirst     string
}

func (s *scramServer) run() (*Credentials, error) {
	if err := s.c.Write(pgwire.AppendAuthenticationSASL(nil, mechanism)); err != nil {
		return nil, err
	}
	first, err := s.readInitial()
	if err != nil {
		return nil, err
	}
	if err := s.clientFirst(first); err != nil {
		return nil, err
	}
	s.serverFirst = "r=" + s.nonce + ",s=" + b64.EncodeToString(s.secret.salt) + ",i=" + strconv.Itoa(s.secret.iterations)
	if err := s.challenge(s.serverFirst); err != nil {
		return nil, err
	}
	final, err := s.readResponse()
	if err != nil {
		return nil, err
	}
	cred, err := s.clientFinal(string(final))
	if err != nil {
		return nil, err
	}
	return cred, s.c.Write(s.success(string(final)))
}

func (s *scramServer) challenge(msg string) error {
	return s.c.Write(pgwire.AppendAuthentication(nil, pgwire.AuthSASLContinue, []byte(msg)))
}

// success goes out in one write: the server's own proof and AuthenticationOk.
func (s *scramServer) success(final string) []byte {
	signature := mac(s.secret.serverKey, s.authMessage(final))
	out := pgwire.AppendAuthentication(nil, pgwire.AuthSASLFinal, []byte("v="+b64.EncodeToString(signature)))
	return pgwire.AppendAuthenticationOk(out)
}

// readInitial reads a SASLInitialResponse and returns the client-first-message.
func (s *scramServer) readInitial() (string, error) {
	body, err := s.readResponse()
	if err != nil {
		return "", err
	}
	name, rest, err := pgwire.CString(body)
	if err != nil || len(rest) < 4 {
		return "", violation("invalid message format", "")
	}
	if !bytes.Equal(name, []byte(mechanism)) {
		return "", violation("client selected an invalid SASL authentication mechanism", "")
	}
	n := int32(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	if n == -1 { // a client that waits for an empty challenge first
		if err := s.challenge(""); err != nil {
			return "", err
		}
		rest, err = s.readResponse()
		return string(rest), err
	}
	if int(n) != len(rest) {
		return "", violation("invalid message format", "")
	}
	return string(rest), nil
}

func (s *scramServer) readResponse() ([]byte, error) {
	f, err := s.r.Next()
	if err != nil {
		return nil, err
	}
	switch {
	case f.Type != pgwire.MsgPassword:
		return nil, violation(fmt.Sprintf("expected SASL response, got message type %d", f.Type), "")
	case f.Len > maxMessage:
		return nil, violation("invalid message length", "")
	}
	return f.Body, nil
}

func (s *scramServer) clientFirst(msg string) error {
	if strings.IndexByte(msg, 0) >= 0 {
		return malformed("Message length does not match input length.")
	}
	if len(msg) < 3 {
		return malformed("The message is empty or too short.")
	}
	switch msg[0] {
	case 'n', 'y':
		s.bindingFlag = msg[0]
	case 'p':
		return malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.")
	default:
		return malformed("Unexpected channel-binding flag.")
	}
	switch {
	case msg[1] != ',':
		return malformed("Comma expected, but found another character.")
	case msg[2] == 'a':
		return &Error{Reason: ReasonProtocol, Code: codeNotSupported, Message: "client uses authorization identity, but it is not supported"}
	case msg[2] != ',':
		return malformed("Unexpected attribute in client-first-message.")
	}
	return s.clientFirstRest(msg[3:])
}

func (s *scramServer) clientFirstRest(bare string) error {
	if strings.HasPrefix(bare, "m") {
		return &Error{Reason: ReasonProtocol, Code: codeNotSupported, Message: "client requires an unsupported SCRAM extension"}
	}
	// The name in it does not count: the StartupMessage's does.
	_, rest, ok := attribute(bare, 'n')
	if !ok {
		return malformed(`Expected attribute "n" in client-first-message.`)
	}
	nonce, _, ok := attribute(rest, 'r')
	if !ok {
		return malformed(`Expected attribute "r" in client-first-message.`)
	}
	if !printable(nonce) {
		return violation("non-printable characters in SCRAM nonce", "")
	}
	s.clientFirstBare = bare
	s.nonce = nonce + newNonce()
	return nil
}

func (s *scramServer) clientFinal(msg string) (*Credentials, error) {
	binding, rest, ok := attribute(msg, 'c')
	if !ok {
		return nil, malformed(`Expected attribute "c" in client-final-message.`)
	}
	// base64 of the header "n,," or "y,,": the one that began the exchange.
	if !(s.bindingFlag == 'n' && binding == "biws" || s.bindingFlag == 'y' && binding == "eSws") {
		return nil, violation("unexpected SCRAM channel-binding attribute in client-final-message", "")
	}
	nonce, _, ok := attribute(rest, 'r')
	if !ok {
		return nil, malformed(`Expected attribute "r" in client-final-message.`)
	}
	if !equal([]byte(nonce), []byte(s.nonce)) {
		return nil, violation("invalid SCRAM response", "Nonce does not match.")
	}
	at := strings.LastIndex(msg, ",p=")
	if at < 0 {
		return nil, malformed(`Expected attribute "p" in client-final-message.`)
	}
	proof, err := b64.DecodeString(msg[at+3:])
	if err != nil || len(proof) != keyLen {
		return nil, malformed("Malformed proof in client-final-message.")
	}
	return s.verify(proof, msg)
}

// verify does the same work whether the exchange is doomed or not.
func (s *scramServer) verify(proof []byte, final string) (*Credentials, error) {
	clientKey := xor(proof, mac(s.secret.storedKey, s.authMessage(final)))
	ok := equal(hash(clientKey), s.secret.storedKey)
	switch {
	case s.doomed != ReasonNone:
		return nil, passwordFailed(s.user, s.doomed)
	case !ok:
		return nil, passwordFailed(s.user, ReasonWrongProof)
	}
	return &Credentials{
		ClientKey: clientKey, ServerKey: s.secret.serverKey,
		Salt: s.secret.salt, Iterations: s.secret.iterations,
	}, nil
}

func (s *scramServer) authMessage(final string) string {
	withoutProof := final[:strings.LastIndex(final, ",p=")]
	return s.clientFirstBare + "," + s.serverFirst + "," + withoutProof
}
