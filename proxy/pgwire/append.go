package pgwire

import "encoding/binary"

// begin appends a header whose length end fills in; at is where the frame starts.
func begin(dst []byte, typ byte) (_ []byte, at int) {
	return append(dst, typ, 0, 0, 0, 0), len(dst)
}

func end(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1))
	return dst
}

func appendCString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(append(dst, s...), 0)
}

func appendUint16(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint16(dst, uint16(n))
}

func appendUint32(dst []byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(dst, n)
}

// AppendFrame appends any message.
func AppendFrame(dst []byte, typ byte, body []byte) []byte {
	dst, at := begin(dst, typ)
	return end(append(dst, body...), at)
}

// AppendHeader appends the head of a message whose body of n bytes follows by
// other means.
func AppendHeader(dst []byte, typ byte, n int) []byte {
	return appendUint32(append(dst, typ), uint32(n)+4)
}

// AppendQuery appends a simple query.
func AppendQuery[T ~string | ~[]byte](dst []byte, sql T) []byte {
	dst, at := begin(dst, MsgQuery)
	return end(appendCString(dst, sql), at)
}

// AppendParse appends a Parse; oids are the parameter types as on the wire, four
// bytes each.
func AppendParse[N, T ~string | ~[]byte](dst []byte, name N, sql T, oids []byte) []byte {
	dst, at := begin(dst, MsgParse)
	dst = appendCString(dst, name)
	dst = appendCString(dst, sql)
	dst = appendUint16(dst, len(oids)/4)
	return end(append(dst, oids...), at)
}

// AppendBind appends a Bind; rest is everything after the two names as on the wire
// ([Bind.Rest]), nil for no parameters and text results.
func AppendBind[P, S ~string | ~[]byte](dst []byte, portal P, statement S, rest []byte) []byte {
	dst, at := begin(dst, MsgBind)
	dst = appendCString(dst, portal)
	dst = appendCString(dst, statement)
	if rest == nil {
		rest = []byte{0, 0, 0, 0, 0, 0}
	}
	return end(append(dst, rest...), at)
}

// AppendDescribe appends a Describe of an [ObjectStatement] or [ObjectPortal].
func AppendDescribe[N ~string | ~[]byte](dst []byte, object byte, name N) []byte {
	dst, at := begin(dst, MsgDescribe)
	return end(appendCString(append(dst, object), name), at)
}

// AppendClose appends a Close of an [ObjectStatement] or [ObjectPortal].
func AppendClose[N ~string | ~[]byte](dst []byte, object byte, name N) []byte {
	dst, at := begin(dst, MsgClose)
	return end(appendCString(append(dst, object), name), at)
}

// AppendExecute appends an Execute; maxRows 0 is all of them.
func AppendExecute[N ~string | ~[]byte](dst []byte, portal N, maxRows uint32) []byte {
	dst, at := begin(dst, MsgExecute)
	return end(appendUint32(appendCString(dst, portal), maxRows), at)
}

// AppendSync appends a Sync.
func AppendSync(dst []byte) []byte { return append(dst, MsgSync, 0, 0, 0, 4) }

// AppendFlush appends a Flush.
func AppendFlush(dst []byte) []byte { return append(dst, MsgFlush, 0, 0, 0, 4) }

// AppendTerminate appends a Terminate.
func AppendTerminate(dst []byte) []byte { return append(dst, MsgTerminate, 0, 0, 0, 4) }

// AppendCopyDone appends a CopyDone.
func AppendCopyDone(dst []byte) []byte { return append(dst, MsgCopyDone, 0, 0, 0, 4) }

// AppendCopyFail appends a CopyFail with the reason that the server will report.
func AppendCopyFail(dst []byte, reason string) []byte {
	dst, at := begin(dst, MsgCopyFail)
	return end(appendCString(dst, reason), at)
}

// AppendPassword appends a PasswordMessage.
func AppendPassword(dst []byte, password string) []byte {
	dst, at := begin(dst, MsgPassword)
	return end(appendCString(dst, password), at)
}

// AppendSASLInitialResponse appends the first message of a SASL exchange.
func AppendSASLInitialResponse(dst []byte, mechanism string, data []byte) []byte {
	dst, at := begin(dst, MsgPassword)
	dst = appendCString(dst, mechanism)
	dst = appendUint32(dst, uint32(len(data)))
	return end(append(dst, data...), at)
}

// AppendSASLResponse appends a later message of a SASL exchange.
func AppendSASLResponse(dst, data []byte) []byte { return AppendFrame(dst, MsgPassword, data) }
