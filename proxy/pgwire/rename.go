package pgwire

import "bytes"

// The renaming functions append a message whose statement or portal has another
// name; everything behind the names is copied as it is and not looked at.

// AppendParseRenamed appends a Parse with another statement name.
func AppendParseRenamed[N ~string | ~[]byte](dst, body []byte, name N) ([]byte, error) {
	_, rest, err := CString(body)
	if err != nil {
		return dst, malformed("Parse")
	}
	dst = AppendHeader(dst, MsgParse, len(name)+1+len(rest))
	return append(appendCString(dst, name), rest...), nil
}

// AppendBindRenamed appends a Bind of the same portal to another statement.
func AppendBindRenamed[N ~string | ~[]byte](dst, body []byte, statement N) ([]byte, error) {
	portal, _, rest, ok := cstrings(body)
	if !ok {
		return dst, malformed("Bind")
	}
	return AppendBind(dst, portal, statement, rest), nil
}

// AppendDescribeRenamed appends a Describe of the same kind of object with another name.
func AppendDescribeRenamed[N ~string | ~[]byte](dst, body []byte, name N) ([]byte, error) {
	object, _, err := DecodeObject(body)
	if err != nil {
		return dst, err
	}
	return AppendDescribe(dst, object, name), nil
}

// AppendCloseRenamed appends a Close of the same kind of object with another name.
func AppendCloseRenamed[N ~string | ~[]byte](dst, body []byte, name N) ([]byte, error) {
	object, _, err := DecodeObject(body)
	if err != nil {
		return dst, err
	}
	return AppendClose(dst, object, name), nil
}

// AppendExecuteRenamed appends an Execute of another portal.
func AppendExecuteRenamed[N ~string | ~[]byte](dst, body []byte, portal N) ([]byte, error) {
	n := bytes.IndexByte(body, 0)
	if n < 0 || len(body) != n+5 {
		return dst, malformed("Execute")
	}
	dst = AppendHeader(dst, MsgExecute, len(portal)+5)
	return append(appendCString(dst, portal), body[n+1:]...), nil
}
