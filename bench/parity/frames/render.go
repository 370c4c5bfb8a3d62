package frames

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// LongBody is the size from which a message is compared by its digest.
const LongBody = 2000

// firstUserOID is the first of an object made by a user (FirstNormalObjectId of transam.h).
const firstUserOID = 16384

// Render shows a message of a server's without what differs from one run to the next: process ids, keys, and oids of what
// users made. With loose, only severity and SQLSTATE of errors and notices are kept. It does not keep the body.
func Render(typ byte, body []byte, loose bool) string {
	switch typ {
	case 'K':
		return "K ..."
	case 'A':
		body = append([]byte{0, 0, 0, 0}, body[4:]...)
	case 'T':
		body = withoutOIDs(append([]byte(nil), body...))
	case 't':
		body = withoutParameterOIDs(append([]byte(nil), body...))
	case 'E', 'N':
		return string(typ) + " " + strconv.Quote(errorText(body, loose))
	}
	if len(body) > LongBody {
		return fmt.Sprintf("%c %d bytes, sha256 %x", typ, len(body), sha256.Sum256(body))
	}
	return string(typ) + " " + strconv.Quote(string(body))
}

func errorText(body []byte, loose bool) string {
	if !loose {
		return string(body)
	}
	var kept []string
	for field := range strings.SplitSeq(string(body), "\x00") {
		if field != "" && strings.IndexByte("SVC", field[0]) >= 0 {
			kept = append(kept, field)
		}
	}
	return strings.Join(kept, " ")
}

// withoutOIDs replaces the oids that a RowDescription has of objects made by users.
func withoutOIDs(body []byte) []byte {
	for at := 2; at < len(body); at += 18 {
		at += strings.IndexByte(string(body[at:]), 0) + 1
		for _, field := range []int{at, at + 6} {
			if binary.BigEndian.Uint32(body[field:]) >= firstUserOID {
				binary.BigEndian.PutUint32(body[field:], firstUserOID)
			}
		}
	}
	return body
}

// withoutParameterOIDs does the same to a ParameterDescription.
func withoutParameterOIDs(body []byte) []byte {
	for at := 2; at+4 <= len(body); at += 4 {
		if binary.BigEndian.Uint32(body[at:]) >= firstUserOID {
			binary.BigEndian.PutUint32(body[at:], firstUserOID)
		}
	}
	return body
}
