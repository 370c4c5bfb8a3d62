package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

const (
	mechanism  = "SCRAM-SHA-256"
	keyLen     = sha256.Size
	nonceBytes = 18 // SCRAM_RAW_NONCE_LEN, src/include/common/scram-common.h
	saltBytes  = 16 // SCRAM_DEFAULT_SALT_LEN

	defaultIterations = 4096
	// maxIterations bounds the work that a stored secret or a server can ask for.
	maxIterations = 10_000_000
	// maxMessage is PG_MAX_SASL_MESSAGE_LENGTH (src/include/libpq/sasl.h).
	maxMessage = 1024
)

var b64 = base64.StdEncoding.Strict()

// scramSecret is the content of a rolpassword `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
type scramSecret struct {
	iterations           int
	salt                 []byte
	storedKey, serverKey []byte
}

var errSecret = errors.New("not a SCRAM-SHA-256 secret")

func parseSecret(s string) (scramSecret, error) {
	rest, ok := strings.CutPrefix(s, mechanism+"$")
	params, keys, ok2 := strings.Cut(rest, "$")
	iter, salt, ok3 := strings.Cut(params, ":")
	stored, server, ok4 := strings.Cut(keys, ":")
	if !ok || !ok2 || !ok3 || !ok4 {
		return scramSecret{}, errSecret
	}
	var out scramSecret
	var errs [4]error
	out.iterations, errs[0] = strconv.Atoi(iter)
	out.salt, errs[1] = b64.DecodeString(salt)
	out.storedKey, errs[2] = b64.DecodeString(stored)
	out.serverKey, errs[3] = b64.DecodeString(server)
	if errors.Join(errs[:]...) != nil || out.iterations < 1 || out.iterations > maxIterations ||
		len(out.salt) == 0 || len(out.storedKey) != keyLen || len(out.serverKey) != keyLen {
		return scramSecret{}, errSecret
	}
	return out, nil
}

// mockKey makes up the same salt for the same unknown role each time, as PostgreSQL does
// with its mock_authentication_nonce. It lives as long as the process.
type mockKey []byte

func newMockKey() mockKey { return randomBytes(keyLen) }

// secret cannot be satisfied: its keys are of no password.
func (k mockKey) secret(user string) scramSecret {
	return scramSecret{
		iterations: defaultIterations,
		salt:       mac(k, user)[:saltBytes],
		storedKey:  make([]byte, keyLen),
		serverKey:  make([]byte, keyLen),
	}
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

func hash(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	subtle.XORBytes(out, a, b)
	return out
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

func newNonce() string { return base64.StdEncoding.EncodeToString(randomBytes(nonceBytes)) }

// attribute splits `x=value` off a message, up to the next comma.
func attribute(msg string, name byte) (value, rest string, ok bool) {
	if len(msg) < 2 || msg[0] != name || msg[1] != '=' {
		return "", msg, false
	}
	value, rest, _ = strings.Cut(msg[2:], ",")
	return value, rest, true
}

// printable is what RFC 5802 allows in a nonce; the comma is cut off before.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return s != ""
}
