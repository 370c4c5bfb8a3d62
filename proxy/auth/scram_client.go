package auth

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// scramClient is our side of an exchange with a server.
type scramClient struct {
	cred            *Credentials
	nonce           string
	clientFirstBare string
	serverSignature []byte // what the server has to prove
	proved          bool   // it has
}

const gs2Header = "n,,"

var errSCRAM = errors.New("server sent an invalid SCRAM message")

func newSCRAMClient(cred *Credentials) *scramClient {
	nonce := newNonce()
	return &scramClient{cred: cred, nonce: nonce, clientFirstBare: "n=,r=" + nonce}
}

func (s *scramClient) first() []byte {
	return pgwire.AppendSASLInitialResponse(nil, mechanism, []byte(gs2Header+s.clientFirstBare))
}

// final answers the server-first-message.
func (s *scramClient) final(serverFirst string) ([]byte, error) {
	nonce, rest, ok := attribute(serverFirst, 'r')
	salt64, rest, ok2 := attribute(rest, 's')
	iter, _, ok3 := attribute(rest, 'i')
	if !ok || !ok2 || !ok3 || !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return nil, errSCRAM
	}
	salt, err := b64.DecodeString(salt64)
	iterations, err2 := strconv.Atoi(iter)
	if err != nil || err2 != nil || len(salt) == 0 || iterations < 1 || iterations > maxIterations {
		return nil, errSCRAM
	}
	clientKey, serverKey, err := s.keys(salt, iterations)
	if err != nil {
		return nil, err
	}
	withoutProof := "c=" + b64.EncodeToString([]byte(gs2Header)) + ",r=" + nonce
	authMessage := s.clientFirstBare + "," + serverFirst + "," + withoutProof
	proof := xor(clientKey, mac(hash(clientKey), authMessage))
	s.serverSignature = mac(serverKey, authMessage)
	return pgwire.AppendSASLResponse(nil, []byte(withoutProof+",p="+b64.EncodeToString(proof))), nil
}

// keys are those of the client's proof if they are of this server's secret, else they are
// made from the password.
func (s *scramClient) keys(salt []byte, iterations int) (clientKey, serverKey []byte, err error) {
	c := s.cred
	sameSecret := c.Salt == nil || string(c.Salt) == string(salt) && c.Iterations == iterations
	switch {
	case c.hasKeys() && sameSecret:
		return c.ClientKey, c.ServerKey, nil
	case c.Password == "":
		return nil, nil, errOtherSecret
	}
	salted, err := pbkdf2.Key(sha256.New, saslprep(c.Password), salt, iterations, keyLen)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key: %w", err)
	}
	return mac(salted, "Client Key"), mac(salted, "Server Key"), nil
}

func (c *Credentials) hasKeys() bool {
	return len(c.ClientKey) == keyLen && len(c.ServerKey) == keyLen
}

// verify checks that the server knows the secret too.
func (s *scramClient) verify(serverFinal string) error {
	if e, _, ok := attribute(serverFinal, 'e'); ok {
		return fmt.Errorf("server ended the SCRAM exchange: %q", e)
	}
	v, _, ok := attribute(serverFinal, 'v')
	if !ok || s.serverSignature == nil {
		return errSCRAM
	}
	signature, err := b64.DecodeString(v)
	if err != nil || !equal(signature, s.serverSignature) {
		return errors.New("server's SCRAM signature is wrong: it does not know the role's secret")
	}
	s.proved = true
	return nil
}
