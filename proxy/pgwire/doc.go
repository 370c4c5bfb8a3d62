// Package pgwire moves PostgreSQL protocol frames between sockets and byte
// slices. It knows lengths, types and the fields of control messages; it never
// decodes a row.
//
// [Conn] is a socket, [Reader] the buffered frames of one, [Peek] and [Reader.Next]
// look at headers, the Append functions build messages into a caller's slice.
package pgwire
