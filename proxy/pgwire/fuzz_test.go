package pgwire

import (
	"bytes"
	"testing"
)

// FuzzDecode gives any bytes to every decoder: none panics, and what one accepts, the
// builder writes back.
func FuzzDecode(f *testing.F) {
	for _, m := range [][]byte{
		AppendParse(nil, "n", "select $1", []byte{0, 0, 0, 23}),
		AppendBind(nil, "p", "s", []byte{0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 'x', 0, 0}),
		AppendDescribe(nil, 'S', "s"),
		AppendExecute(nil, "p", 1),
		AppendErrorResponse(nil, &ErrorFields{Severity: "ERROR", Code: "42601", Message: "m"}),
		AppendNegotiateProtocolVersion(nil, Version30, "_pq_.x"),
		AppendBackendKeyData(nil, 1, []byte("keys")),
		AppendParameterStatus(nil, "a", "b"),
		AppendFrame(nil, MsgNotificationResponse, []byte("\x00\x00\x00\x01c\x00p\x00")),
	} {
		f.Add(m[HeaderSize:])
	}
	f.Add(AppendStartup(nil, Version32, Param{"user", "u"}, Param{"_pq_.x", "1"})[4:])
	f.Add(AppendCancelRequest(nil, 1, []byte("key!"))[4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		back := func(name string, got []byte) {
			if !bytes.Equal(got[HeaderSize:], b) {
				t.Errorf("%s: %q came back as %q", name, b, got[HeaderSize:])
			}
		}
		if m, err := DecodeParse(b); err == nil {
			back("Parse", AppendParse(nil, m.Name, m.SQL, m.OIDs))
		}
		if m, err := DecodeBind(b); err == nil {
			back("Bind", AppendBind(nil, m.Portal, m.Statement, m.Rest))
			m.EachParameter(func(int, []byte) {})
		}
		if object, name, err := DecodeObject(b); err == nil {
			back("Describe", AppendDescribe(nil, object, name))
		}
		if portal, n, err := DecodeExecute(b); err == nil {
			back("Execute", AppendExecute(nil, portal, uint32(n)))
		}
		if pid, key, err := DecodeBackendKeyData(b); err == nil {
			back("BackendKeyData", AppendBackendKeyData(nil, pid, key))
		}
		if k, v, err := DecodeParameterStatus(b); err == nil {
			back("ParameterStatus", AppendParameterStatus(nil, k, v))
		}
		if tag, err := DecodeCommandComplete(b); err == nil {
			back("CommandComplete", AppendCommandComplete(nil, tag))
			TagRows(tag)
		}
		if sql, err := QueryText(b); err == nil {
			back("Query", AppendQuery(nil, sql))
		}
		if s, err := DecodeReadyForQuery(b); err == nil {
			back("ReadyForQuery", AppendReadyForQuery(nil, s))
		}
		if code, data, err := DecodeAuthentication(b); err == nil {
			back("Authentication", AppendAuthentication(nil, code, data))
		}
		if e, err := DecodeError(b); err == nil && e.Code != "" && ErrorField(b, 'C') == nil {
			t.Errorf("ErrorField misses the code in %q", b)
		}
		_, _ = DecodeNotification(b)
		_, _, _ = DecodeNegotiateProtocolVersion(b)
		_, _ = DecodeStartup(b)
		if h, ok, err := Peek(b); ok && (err != nil || h.BodyLen() < 0) {
			t.Errorf("Peek(%q) = %v, %v", b, h, err)
		}
		for _, rename := range []func(dst, body []byte, name string) ([]byte, error){
			AppendParseRenamed[string],
			AppendBindRenamed[string], AppendDescribeRenamed[string], AppendCloseRenamed[string], AppendExecuteRenamed[string],
		} {
			if out, err := rename(nil, b, "new"); err == nil {
				if h, ok, err := Peek(out); !ok || err != nil || h.Len != len(out) {
					t.Errorf("renamed %q has a wrong header", b)
				}
			}
		}
	})
}
