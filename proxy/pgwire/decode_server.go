package pgwire

import (
	"bytes"
	"encoding/binary"
)

// DecodeAuthentication splits an Authentication's body into code and data.
func DecodeAuthentication(body []byte) (code uint32, data []byte, err error) {
	if len(body) < 4 {
		return 0, nil, malformed("Authentication")
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// DecodeParameterStatus returns name and value of a ParameterStatus's body.
func DecodeParameterStatus(body []byte) (name, value []byte, err error) {
	name, value, rest, ok := cstrings(body)
	if !ok || len(rest) != 0 {
		return nil, nil, malformed("ParameterStatus")
	}
	return name, value, nil
}

// DecodeBackendKeyData returns process and cancel key; the key has 4 to 256 bytes
// (4 in protocol 3.0) and aliases body.
func DecodeBackendKeyData(body []byte) (pid uint32, key []byte, err error) {
	if len(body) < 8 || len(body) > 4+MaxCancelKey {
		return 0, nil, malformed("BackendKeyData")
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// DecodeReadyForQuery returns TxIdle, TxActive or TxFailed.
func DecodeReadyForQuery(body []byte) (status byte, err error) {
	if len(body) != 1 || bytes.IndexByte([]byte("ITE"), body[0]) < 0 {
		return 0, malformed("ReadyForQuery")
	}
	return body[0], nil
}

// DecodeCommandComplete returns the tag.
func DecodeCommandComplete(body []byte) (tag []byte, err error) {
	tag, rest, err := CString(body)
	if err != nil || len(rest) != 0 {
		return nil, malformed("CommandComplete")
	}
	return tag, nil
}

// TagRows returns the number at the end of a command tag (rows read or changed), or
// ok false for a tag without one.
func TagRows(tag []byte) (n int64, ok bool) {
	i := bytes.LastIndexByte(tag, ' ')
	if i < 0 || i == len(tag)-1 || len(tag)-i > 20 {
		return 0, false
	}
	for _, c := range tag[i+1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n >= 0
}

// Notification is a NotificationResponse; its fields alias the body.
type Notification struct {
	PID              uint32
	Channel, Payload []byte
}

// DecodeNotification decodes a NotificationResponse's body.
func DecodeNotification(body []byte) (Notification, error) {
	if len(body) < 4 {
		return Notification{}, malformed("NotificationResponse")
	}
	channel, payload, rest, ok := cstrings(body[4:])
	if !ok || len(rest) != 0 {
		return Notification{}, malformed("NotificationResponse")
	}
	return Notification{PID: binary.BigEndian.Uint32(body), Channel: channel, Payload: payload}, nil
}

// DecodeNegotiateProtocolVersion returns the version that the server speaks, its
// major part included where the server sent it, and how many options it does not know.
func DecodeNegotiateProtocolVersion(body []byte) (version uint32, unknown [][]byte, err error) {
	if len(body) < 8 {
		return 0, nil, malformed("NegotiateProtocolVersion")
	}
	version = binary.BigEndian.Uint32(body)
	n := binary.BigEndian.Uint32(body[4:])
	rest := body[8:]
	for range n {
		var name []byte
		if name, rest, err = CString(rest); err != nil {
			return 0, nil, malformed("NegotiateProtocolVersion")
		}
		unknown = append(unknown, name)
	}
	if len(rest) != 0 {
		return 0, nil, malformed("NegotiateProtocolVersion")
	}
	return version, unknown, nil
}
