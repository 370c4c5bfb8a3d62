package frames

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Append appends the message that a command stands for.
func (c Command) Append(dst []byte) ([]byte, error) {
	switch c.Verb {
	case "Raw": // type, length field, body
		return append(AppendHeader(dst, c.arg(0)[0], Number(c.arg(1))), c.arg(2)...), nil
	case "Repeat": // a message n times
		inner := Command{Verb: c.Args[1], Args: c.Args[2:]}
		one, err := inner.Append(nil)
		for range Number(c.Args[0]) {
			dst = append(dst, one...)
		}
		return dst, err
	}
	m := c.message()
	if m == nil {
		return nil, fmt.Errorf("verb %q is unknown", c.Verb)
	}
	return m.Encode(dst)
}

func (c Command) arg(i int) string {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return ""
}

// message is nil where the verb is none of the protocol's.
func (c Command) message() pgproto3.FrontendMessage {
	switch c.Verb {
	case "Query":
		return &pgproto3.Query{String: c.arg(0)}
	case "Parse":
		p := &pgproto3.Parse{Name: c.arg(0), Query: c.arg(1)}
		for _, a := range c.Args[2:] {
			p.ParameterOIDs = append(p.ParameterOIDs, uint32(Number(a)))
		}
		return p
	case "Bind":
		return c.bind()
	case "Describe":
		return &pgproto3.Describe{ObjectType: c.arg(0)[0], Name: c.arg(1)}
	case "Close":
		return &pgproto3.Close{ObjectType: c.arg(0)[0], Name: c.arg(1)}
	case "Execute":
		return &pgproto3.Execute{Portal: c.arg(0), MaxRows: uint32(Number(c.arg(1)))}
	case "Sync":
		return &pgproto3.Sync{}
	case "Flush":
		return &pgproto3.Flush{}
	case "CopyData":
		return &pgproto3.CopyData{Data: []byte(c.arg(0))}
	case "CopyDone":
		return &pgproto3.CopyDone{}
	case "CopyFail":
		return &pgproto3.CopyFail{Message: c.arg(0)}
	case "Function":
		f := &pgproto3.FunctionCall{Function: uint32(Number(c.arg(0)))}
		for _, a := range c.Args[1:] {
			f.Arguments = append(f.Arguments, []byte(a))
		}
		return f
	case "Terminate":
		return &pgproto3.Terminate{}
	}
	return nil
}

// bind: portal, statement, then parameters; NULL, hex:..., N*text, pf=1,0 and rf=1 for the formats.
func (c Command) bind() *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: c.Args[0], PreparedStatement: c.Args[1]}
	for _, a := range c.Args[2:] {
		times, text, many := strings.Cut(a, "*")
		switch {
		case a == "NULL":
			b.Parameters = append(b.Parameters, nil)
		case strings.HasPrefix(a, "hex:"):
			v, _ := hex.DecodeString(a[4:])
			b.Parameters = append(b.Parameters, v)
		case strings.HasPrefix(a, "pf="):
			b.ParameterFormatCodes = formats(a[3:])
		case strings.HasPrefix(a, "rf="):
			b.ResultFormatCodes = formats(a[3:])
		case many:
			for range Number(times) {
				b.Parameters = append(b.Parameters, []byte(text))
			}
		default:
			b.Parameters = append(b.Parameters, []byte(a))
		}
	}
	return b
}

func formats(list string) []int16 {
	var out []int16
	for f := range strings.SplitSeq(list, ",") {
		out = append(out, int16(Number(f)))
	}
	return out
}

// AppendHeader appends a type and a length field, which may be wrong on purpose.
func AppendHeader(dst []byte, typ byte, length int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, typ), uint32(length))
}

// Startup is a StartupMessage of name=value words; version=MAJOR.MINOR is the protocol's.
func Startup(words []string) []byte {
	version := uint32(3 << 16)
	var params []byte
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if name == "version" {
			major, minor, _ := strings.Cut(value, ".")
			version = uint32(Number(major))<<16 | uint32(Number(minor))
			continue
		}
		params = append(append(append(append(params, name...), 0), value...), 0)
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(params)+9))
	packet = binary.BigEndian.AppendUint32(packet, version)
	return append(append(packet, params...), 0)
}

// Cancel is a CancelRequest for the body of a BackendKeyData.
func Cancel(key []byte) []byte {
	packet := binary.BigEndian.AppendUint32(nil, uint32(8+len(key)))
	packet = binary.BigEndian.AppendUint32(packet, 80877102)
	return append(packet, key...)
}
