package admin

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// Type is the type of a column.
type Type uint8

// The types, by PostgreSQL's names.
const (
	Text Type = iota
	Integer
	Double
	Timestamp // with time zone
)

var typeNames = [...]string{"text", "integer", "double precision", "timestamp with time zone"}

func (t Type) String() string { return typeNames[t] }

// pgTypes are oid and typlen in pg_type.dat.
var pgTypes = [...]struct {
	oid  uint32
	size int16
}{Text: {25, -1}, Integer: {23, 4}, Double: {701, 8}, Timestamp: {1184, 8}}

// Column is a column of a command's answer.
type Column struct {
	Name string
	Type Type
}

// Value is a value of a column; the zero Value is NULL.
type Value struct {
	valid  bool
	text   string
	number int32
	double float64
	at     time.Time
}

// TextValue is a value of type Text.
func TextValue(s string) Value { return Value{valid: true, text: s} }

// IntegerValue is a value of type Integer.
func IntegerValue(n int32) Value { return Value{valid: true, number: n} }

// DoubleValue is a value of type Double.
func DoubleValue(f float64) Value { return Value{valid: true, double: f} }

// TimestampValue is a value of type Timestamp.
func TimestampValue(at time.Time) Value { return Value{valid: true, at: at} }

// timestampEpoch is where PostgreSQL counts from.
var timestampEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// append writes the value as its type's output or send function does.
func (v Value) append(dst []byte, t Type, asBinary bool) []byte {
	switch t {
	case Text:
		return append(dst, v.text...)
	case Integer:
		if asBinary {
			return binary.BigEndian.AppendUint32(dst, uint32(v.number))
		}
		return strconv.AppendInt(dst, int64(v.number), 10)
	case Double:
		if asBinary {
			return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.double))
		}
		return strconv.AppendFloat(dst, v.double, 'f', -1, 64)
	case Timestamp:
		if asBinary {
			return binary.BigEndian.AppendUint64(dst, uint64(v.at.Sub(timestampEpoch).Microseconds()))
		}
		return v.at.UTC().AppendFormat(dst, "2006-01-02 15:04:05.999999-07")
	}
	return dst
}

// appendRow appends a DataRow. It uses cells for the values and returns it for the next row.
func appendRow(dst []byte, columns []Column, binary []bool, row []Value, cells []byte) (_, _ []byte) {
	cells = cells[:0]
	ends := make([]int, len(row))
	for i, v := range row {
		if v.valid {
			cells = v.append(cells, columns[i].Type, binary[i])
		}
		ends[i] = len(cells)
	}
	values := make([][]byte, len(row))
	begin := 0
	for i, v := range row {
		if v.valid {
			values[i] = cells[begin:ends[i]:ends[i]]
		}
		begin = ends[i]
	}
	return pgwire.AppendDataRow(dst, values), cells
}

// describe appends the RowDescription of columns; without columns there is nothing to describe.
func describe(dst []byte, columns []Column, binary []bool) []byte {
	if len(columns) == 0 {
		return pgwire.AppendNoData(dst)
	}
	of := make([]pgwire.Column, len(columns))
	for i, c := range columns {
		of[i] = pgwire.Column{Name: c.Name, TypeOID: pgTypes[c.Type].oid, Size: pgTypes[c.Type].size, Binary: binary != nil && binary[i]}
	}
	return pgwire.AppendRowDescription(dst, of)
}
