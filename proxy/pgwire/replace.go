package pgwire

import "encoding/binary"

// AppendErrorSeverity appends an ErrorResponse with the fields of body under another severity.
func AppendErrorSeverity(dst, body []byte, severity string) []byte {
	return appendReplaced(dst, body, func(code byte) (string, bool) { return severity, code == 'S' || code == 'V' })
}

// AppendErrorMessage appends an ErrorResponse with the fields of body and another primary message.
func AppendErrorMessage(dst, body []byte, message string) []byte {
	return appendReplaced(dst, body, func(code byte) (string, bool) { return message, code == 'M' })
}

func appendReplaced(dst, body []byte, replace func(code byte) (string, bool)) []byte {
	dst, at := begin(dst, MsgErrorResponse)
	for len(body) > 1 && body[0] != 0 {
		value, rest, err := CString(body[1:])
		if err != nil {
			break
		}
		dst = append(dst, body[0])
		if v, ok := replace(body[0]); ok {
			dst = appendCString(dst, v)
		} else {
			dst = appendCString(dst, value)
		}
		body = rest
	}
	return end(append(dst, 0), at)
}

// EachColumn calls fn for every value of a DataRow's body, in order; NULL is nil. It stops where the body is malformed.
func EachColumn(body []byte, fn func(value []byte)) {
	if len(body) < 2 {
		return
	}
	n := int(binary.BigEndian.Uint16(body))
	rest := body[2:]
	for range n {
		v, r, ok := value(rest)
		if !ok {
			return
		}
		fn(v)
		rest = r
	}
}
