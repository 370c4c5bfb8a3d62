package pgwire

import "bytes"

// ErrorFields are the fields of an ErrorResponse or NoticeResponse, under the names
// of PostgreSQL's documentation (53.8). Empty ones are left out; Severity also fills
// the untranslated one where that is empty.
type ErrorFields struct {
	Severity            string // S
	SeverityUnlocalized string // V
	Code                string // C
	Message             string // M
	Detail              string // D
	Hint                string // H
	Position            string // P
	InternalPosition    string // p
	InternalQuery       string // q
	Where               string // W
	Schema              string // s
	Table               string // t
	Column              string // c
	DataType            string // d
	Constraint          string // n
	File                string // F
	Line                string // L
	Routine             string // R
}

// AppendErrorResponse appends an ErrorResponse.
func AppendErrorResponse(dst []byte, e *ErrorFields) []byte {
	return appendFields(dst, MsgErrorResponse, e)
}

// AppendNoticeResponse appends a NoticeResponse.
func AppendNoticeResponse(dst []byte, e *ErrorFields) []byte {
	return appendFields(dst, MsgNoticeResponse, e)
}

func appendFields(dst []byte, typ byte, e *ErrorFields) []byte {
	dst, at := begin(dst, typ)
	for i := range fieldCodes {
		v := *e.at(fieldCodes[i])
		if fieldCodes[i] == 'V' && v == "" {
			v = e.Severity
		}
		if v != "" {
			dst = appendCString(append(dst, fieldCodes[i]), v)
		}
	}
	return end(append(dst, 0), at)
}

// fieldCodes are in the order in which PostgreSQL sends them.
const fieldCodes = "SVCMDHPpqWstcdnFLR"

// at returns where the field of a code is kept, nil for a code not known.
func (e *ErrorFields) at(code byte) *string {
	switch code {
	case 'S':
		return &e.Severity
	case 'V':
		return &e.SeverityUnlocalized
	case 'C':
		return &e.Code
	case 'M':
		return &e.Message
	case 'D':
		return &e.Detail
	case 'H':
		return &e.Hint
	case 'P':
		return &e.Position
	case 'p':
		return &e.InternalPosition
	case 'q':
		return &e.InternalQuery
	case 'W':
		return &e.Where
	case 's':
		return &e.Schema
	case 't':
		return &e.Table
	case 'c':
		return &e.Column
	case 'd':
		return &e.DataType
	case 'n':
		return &e.Constraint
	case 'F':
		return &e.File
	case 'L':
		return &e.Line
	case 'R':
		return &e.Routine
	}
	return nil
}

// ErrorField returns one field of an ErrorResponse's or NoticeResponse's body, nil
// where there is none. It aliases body.
func ErrorField(body []byte, code byte) []byte {
	for len(body) > 1 && body[0] != 0 {
		n := bytes.IndexByte(body[1:], 0)
		if n < 0 {
			return nil
		}
		if body[0] == code {
			return body[1 : 1+n : 1+n]
		}
		body = body[n+2:]
	}
	return nil
}

// DecodeError copies the fields of an ErrorResponse's or NoticeResponse's body.
// Codes it does not know are ignored, as the protocol asks.
func DecodeError(body []byte) (*ErrorFields, error) {
	e := new(ErrorFields)
	for len(body) > 0 && body[0] != 0 {
		v, rest, err := CString(body[1:])
		if err != nil {
			return nil, malformed("ErrorResponse")
		}
		if p := e.at(body[0]); p != nil {
			*p = string(v)
		}
		body = rest
	}
	if len(body) != 1 {
		return nil, malformed("ErrorResponse")
	}
	return e, nil
}
