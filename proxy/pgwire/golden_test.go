package pgwire

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

type encoder interface {
	Encode(dst []byte) ([]byte, error)
}

// Every builder writes the bytes that pgproto3 writes.
func TestBuildersAgainstPgproto3(t *testing.T) {
	rest := []byte{0, 1, 0, 1, 0, 2, 0, 0, 0, 1, 'x', 0xff, 0xff, 0xff, 0xff, 0, 2, 0, 0, 0, 1}
	fields := ErrorFields{"ERROR", "ERROR", "42P01", "m", "d", "h", "3", "4", "q", "w", "s", "t", "c", "dt", "n", "f", "7", "r"}
	pgFields := pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "42P01", Message: "m", Detail: "d", Hint: "h",
		Position: 3, InternalPosition: 4, InternalQuery: "q", Where: "w", SchemaName: "s", TableName: "t", ColumnName: "c",
		DataTypeName: "dt", ConstraintName: "n", File: "f", Line: 7, Routine: "r",
	}
	notice := pgproto3.NoticeResponse(pgFields)
	for _, c := range []struct {
		got  []byte
		want encoder
	}{
		{AppendQuery(nil, "select 1"), &pgproto3.Query{String: "select 1"}},
		{AppendParse(nil, "n", "select $1", []byte{0, 0, 0, 23}), &pgproto3.Parse{Name: "n", Query: "select $1", ParameterOIDs: []uint32{23}}},
		{AppendBind(nil, "p", "s", nil), &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s"}},
		{AppendBind(nil, "p", "s", rest), &pgproto3.Bind{
			DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1},
			Parameters: [][]byte{{'x'}, nil}, ResultFormatCodes: []int16{0, 1},
		}},
		{AppendDescribe(nil, 'S', "s"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}},
		{AppendClose(nil, 'P', "p"), &pgproto3.Close{ObjectType: 'P', Name: "p"}},
		{AppendExecute(nil, "p", 5), &pgproto3.Execute{Portal: "p", MaxRows: 5}},
		{AppendSync(nil), &pgproto3.Sync{}},
		{AppendFlush(nil), &pgproto3.Flush{}},
		{AppendTerminate(nil), &pgproto3.Terminate{}},
		{AppendCopyDone(nil), &pgproto3.CopyDone{}},
		{AppendCopyFail(nil, "why"), &pgproto3.CopyFail{Message: "why"}},
		{AppendPassword(nil, "pw"), &pgproto3.PasswordMessage{Password: "pw"}},
		{AppendSASLInitialResponse(nil, "M", []byte("n,,")), &pgproto3.SASLInitialResponse{AuthMechanism: "M", Data: []byte("n,,")}},
		{AppendSASLResponse(nil, []byte("c=")), &pgproto3.SASLResponse{Data: []byte("c=")}},
		{AppendFrame(nil, 'd', []byte("row")), &pgproto3.CopyData{Data: []byte("row")}},
		{append(AppendHeader(nil, 'd', 3), "row"...), &pgproto3.CopyData{Data: []byte("row")}},

		{AppendAuthenticationOk(nil), &pgproto3.AuthenticationOk{}},
		{AppendAuthenticationSASL(nil, "A", "B"), &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"A", "B"}}},
		{AppendAuthentication(nil, AuthSASLContinue, []byte("r=")), &pgproto3.AuthenticationSASLContinue{Data: []byte("r=")}},
		{AppendAuthentication(nil, AuthSASLFinal, []byte("v=")), &pgproto3.AuthenticationSASLFinal{Data: []byte("v=")}},
		{AppendParseComplete(nil), &pgproto3.ParseComplete{}},
		{AppendBindComplete(nil), &pgproto3.BindComplete{}},
		{AppendCloseComplete(nil), &pgproto3.CloseComplete{}},
		{AppendNoData(nil), &pgproto3.NoData{}},
		{AppendPortalSuspended(nil), &pgproto3.PortalSuspended{}},
		{AppendEmptyQueryResponse(nil), &pgproto3.EmptyQueryResponse{}},
		{AppendReadyForQuery(nil, 'T'), &pgproto3.ReadyForQuery{TxStatus: 'T'}},
		{AppendCommandComplete(nil, "SELECT 1"), &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}},
		{AppendParameterStatus(nil, "a", "b"), &pgproto3.ParameterStatus{Name: "a", Value: "b"}},
		{AppendBackendKeyData(nil, 1, []byte{0, 0, 0, 2}), &pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 2}}},
		{AppendRowDescription(nil, []Column{{Name: "a"}, {Name: "b", TypeOID: 23}}), &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
			{Name: []byte("a"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1},
			{Name: []byte("b"), DataTypeOID: 23, DataTypeSize: -1, TypeModifier: -1},
		}}},
		{AppendDataRow(nil, [][]byte{[]byte("v"), nil, {}}), &pgproto3.DataRow{Values: [][]byte{[]byte("v"), nil, {}}}},
		{AppendDataRowText(nil, "v", ""), &pgproto3.DataRow{Values: [][]byte{[]byte("v"), {}}}},
		{AppendParameterDescription(nil, 23, 25), &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23, 25}}},
		{AppendCancelRequest(nil, 1, []byte{0, 0, 0, 2}), &pgproto3.CancelRequest{ProcessID: 1, SecretKey: []byte{0, 0, 0, 2}}},
		{AppendSSLRequest(nil), &pgproto3.SSLRequest{}},
		{AppendStartup(nil, Version30, Param{"user", "u"}), &pgproto3.StartupMessage{ProtocolVersion: Version30, Parameters: map[string]string{"user": "u"}}},
	} {
		want, err := c.want.Encode(nil)
		require.NoError(t, err)
		require.Equal(t, want, c.got, "%T", c.want)
	}
	// pgproto3 has another order of error fields, so these are compared decoded.
	var e pgproto3.ErrorResponse
	require.NoError(t, e.Decode(AppendErrorResponse(nil, &fields)[5:]))
	require.Equal(t, pgFields, e)
	var n pgproto3.NoticeResponse
	require.NoError(t, n.Decode(AppendNoticeResponse(nil, &fields)[5:]))
	require.Equal(t, notice, n)
}

func body(t *testing.T, m encoder) []byte {
	b, err := m.Encode(nil)
	require.NoError(t, err)
	return b[HeaderSize:]
}

func TestDecodersAgainstPgproto3(t *testing.T) {
	p, err := DecodeParse(body(t, &pgproto3.Parse{Name: "n", Query: "q", ParameterOIDs: []uint32{23}}))
	require.NoError(t, err)
	require.Equal(t, Parse{[]byte("n"), []byte("q"), []byte{0, 0, 0, 23}}, p)

	bindBody := body(t, &pgproto3.Bind{
		DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1},
		Parameters: [][]byte{{'x'}, nil}, ResultFormatCodes: []int16{1},
	})
	m, err := DecodeBind(bindBody)
	require.NoError(t, err)
	require.Equal(t, "p/s", string(m.Portal)+"/"+string(m.Statement))
	require.Equal(t, []byte{0, 1}, m.ParameterFormats)
	require.Equal(t, []byte{0, 1}, m.ResultFormats)
	require.Equal(t, bindBody[4:], m.Rest)
	var values [][]byte
	m.EachParameter(func(_ int, v []byte) { values = append(values, v) })
	require.Equal(t, [][]byte{[]byte("x"), nil}, values)

	object, name, err := DecodeObject(body(t, &pgproto3.Describe{ObjectType: 'S', Name: "s"}))
	require.NoError(t, err)
	require.Equal(t, "S/s", string(object)+"/"+string(name))
	portal, rows, err := DecodeExecute(body(t, &pgproto3.Execute{Portal: "p", MaxRows: 9}))
	require.NoError(t, err)
	require.Equal(t, "p", string(portal))
	require.EqualValues(t, 9, rows)
	sql, err := QueryText(body(t, &pgproto3.Query{String: "q"}))
	require.NoError(t, err)
	require.Equal(t, "q", string(sql))

	code, data, err := DecodeAuthentication(body(t, &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}))
	require.NoError(t, err)
	require.EqualValues(t, AuthMD5Password, code)
	require.Equal(t, []byte{1, 2, 3, 4}, data)
	key, value, err := DecodeParameterStatus(body(t, &pgproto3.ParameterStatus{Name: "a", Value: "b"}))
	require.NoError(t, err)
	require.Equal(t, "a=b", string(key)+"="+string(value))
	pid, secret, err := DecodeBackendKeyData(body(t, &pgproto3.BackendKeyData{ProcessID: 3, SecretKey: []byte{1, 2, 3, 4}}))
	require.NoError(t, err)
	require.EqualValues(t, 3, pid)
	require.Equal(t, []byte{1, 2, 3, 4}, secret)
	status, err := DecodeReadyForQuery(body(t, &pgproto3.ReadyForQuery{TxStatus: 'E'}))
	require.NoError(t, err)
	require.EqualValues(t, TxFailed, status)
	note, err := DecodeNotification(body(t, &pgproto3.NotificationResponse{PID: 4, Channel: "c", Payload: "p"}))
	require.NoError(t, err)
	require.Equal(t, Notification{4, []byte("c"), []byte("p")}, note)
	tag, err := DecodeCommandComplete(body(t, &pgproto3.CommandComplete{CommandTag: []byte("INSERT 0 12")}))
	require.NoError(t, err)
	n, ok := TagRows(tag)
	require.True(t, ok)
	require.EqualValues(t, 12, n)

	errBody := body(t, &pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P01", Message: "bye"})
	require.Equal(t, "57P01", string(ErrorField(errBody, 'C')))
	require.Nil(t, ErrorField(errBody, 'H'))
	e, err := DecodeError(errBody)
	require.NoError(t, err)
	require.Equal(t, "bye", e.Message)
}

func TestRenamed(t *testing.T) {
	parse := &pgproto3.Parse{Name: "n", Query: "q", ParameterOIDs: []uint32{23}}
	bind := &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", Parameters: [][]byte{{'x'}}}
	describe := &pgproto3.Describe{ObjectType: 'S', Name: "s"}
	closing := &pgproto3.Close{ObjectType: 'S', Name: "s"}
	execute := &pgproto3.Execute{Portal: "s", MaxRows: 3}
	for _, c := range []struct {
		m      encoder
		rename func(dst, body []byte, name string) ([]byte, error)
		set    *string
	}{
		{parse, AppendParseRenamed[string], &parse.Name},
		{bind, AppendBindRenamed[string], &bind.PreparedStatement},
		{describe, AppendDescribeRenamed[string], &describe.Name},
		{closing, AppendCloseRenamed[string], &closing.Name},
		{execute, AppendExecuteRenamed[string], &execute.Portal},
	} {
		got, err := c.rename(nil, body(t, c.m), "aio_17")
		require.NoError(t, err)
		*c.set = "aio_17"
		want, err := c.m.Encode(nil)
		require.NoError(t, err)
		require.Equal(t, want, got, "%T", c.m)
		kept, err := c.rename([]byte("kept"), nil, "x")
		require.Error(t, err)
		require.Equal(t, "kept", string(kept))
	}
}
