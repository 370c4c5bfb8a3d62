package pgwire

// AppendAuthentication appends an Authentication message with its code and data.
func AppendAuthentication(dst []byte, code uint32, data []byte) []byte {
	dst, at := begin(dst, MsgAuthentication)
	return end(append(appendUint32(dst, code), data...), at)
}

// AppendAuthenticationOk appends an AuthenticationOk.
func AppendAuthenticationOk(dst []byte) []byte {
	return AppendAuthentication(dst, AuthOk, nil)
}

// AppendAuthenticationSASL appends the list of mechanisms, best first.
func AppendAuthenticationSASL(dst []byte, mechanisms ...string) []byte {
	dst, at := begin(dst, MsgAuthentication)
	dst = appendUint32(dst, AuthSASL)
	for _, m := range mechanisms {
		dst = appendCString(dst, m)
	}
	return end(append(dst, 0), at)
}

// AppendParseComplete appends a ParseComplete.
func AppendParseComplete(dst []byte) []byte { return append(dst, MsgParseComplete, 0, 0, 0, 4) }

// AppendBindComplete appends a BindComplete.
func AppendBindComplete(dst []byte) []byte { return append(dst, MsgBindComplete, 0, 0, 0, 4) }

// AppendCloseComplete appends a CloseComplete.
func AppendCloseComplete(dst []byte) []byte { return append(dst, MsgCloseComplete, 0, 0, 0, 4) }

// AppendNoData appends a NoData.
func AppendNoData(dst []byte) []byte { return append(dst, MsgNoData, 0, 0, 0, 4) }

// AppendPortalSuspended appends a PortalSuspended.
func AppendPortalSuspended(dst []byte) []byte { return append(dst, MsgPortalSuspended, 0, 0, 0, 4) }

// AppendEmptyQueryResponse appends an EmptyQueryResponse.
func AppendEmptyQueryResponse(dst []byte) []byte {
	return append(dst, MsgEmptyQueryResponse, 0, 0, 0, 4)
}

// AppendReadyForQuery appends a ReadyForQuery; status is TxIdle, TxActive or TxFailed.
func AppendReadyForQuery(dst []byte, status byte) []byte {
	return append(dst, MsgReadyForQuery, 0, 0, 0, 5, status)
}

// AppendCommandComplete appends a CommandComplete.
func AppendCommandComplete[T ~string | ~[]byte](dst []byte, tag T) []byte {
	dst, at := begin(dst, MsgCommandComplete)
	return end(appendCString(dst, tag), at)
}

// AppendParameterStatus appends a ParameterStatus.
func AppendParameterStatus[N, V ~string | ~[]byte](dst []byte, name N, value V) []byte {
	dst, at := begin(dst, MsgParameterStatus)
	return end(appendCString(appendCString(dst, name), value), at)
}

// AppendBackendKeyData appends a BackendKeyData; the key has 4 bytes in protocol
// 3.0 and up to 256 in 3.2.
func AppendBackendKeyData(dst []byte, pid uint32, key []byte) []byte {
	dst, at := begin(dst, MsgBackendKeyData)
	return end(append(appendUint32(dst, pid), key...), at)
}

// AppendNegotiateProtocolVersion says which version (as in the start-up packet's
// code) is spoken and which `_pq_.` options are not known.
func AppendNegotiateProtocolVersion(dst []byte, version uint32, unknown ...string) []byte {
	dst, at := begin(dst, MsgNegotiateProtocolVersion)
	dst = appendUint32(appendUint32(dst, version), uint32(len(unknown)))
	for _, name := range unknown {
		dst = appendCString(dst, name)
	}
	return end(dst, at)
}

// Column is one of a RowDescription's columns. The zero TypeOID is text, the zero Size
// is -1: of variable length.
type Column struct {
	Name    string
	TypeOID uint32
	Size    int16 // bytes, as pg_type.typlen
	Binary  bool
}

const textOID = 25

// AppendRowDescription appends a RowDescription of columns that belong to no table.
func AppendRowDescription(dst []byte, columns []Column) []byte {
	dst, at := begin(dst, MsgRowDescription)
	dst = appendUint16(dst, len(columns))
	for _, c := range columns {
		oid := c.TypeOID
		if oid == 0 {
			oid = textOID
		}
		dst = appendCString(dst, c.Name)
		dst = append(dst, 0, 0, 0, 0, 0, 0) // table, attribute
		dst = appendUint32(dst, oid)
		size := int(c.Size)
		if size == 0 {
			size = -1
		}
		dst = append(appendUint16(dst, size), 0xff, 0xff, 0xff, 0xff) // modifier
		format := 0
		if c.Binary {
			format = 1
		}
		dst = appendUint16(dst, format)
	}
	return end(dst, at)
}

// AppendDataRow appends a row of text values; a nil value is NULL.
func AppendDataRow(dst []byte, values [][]byte) []byte {
	dst, at := begin(dst, MsgDataRow)
	dst = appendUint16(dst, len(values))
	for _, v := range values {
		if v == nil {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		dst = append(appendUint32(dst, uint32(len(v))), v...)
	}
	return end(dst, at)
}

// AppendDataRowText is AppendDataRow for strings, none of them NULL.
func AppendDataRowText(dst []byte, values ...string) []byte {
	dst, at := begin(dst, MsgDataRow)
	dst = appendUint16(dst, len(values))
	for _, v := range values {
		dst = append(appendUint32(dst, uint32(len(v))), v...)
	}
	return end(dst, at)
}

// AppendParameterDescription appends a ParameterDescription of oids.
func AppendParameterDescription(dst []byte, oids ...uint32) []byte {
	dst, at := begin(dst, MsgParameterDescription)
	dst = appendUint16(dst, len(oids))
	for _, oid := range oids {
		dst = appendUint32(dst, oid)
	}
	return end(dst, at)
}
