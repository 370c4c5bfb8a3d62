// Package compose compares sessions that nobody wrote: it composes them at random from pieces, runs several at a time through
// a proxy with few server connections, and each alone on a direct connection, and compares what each received, byte for byte
// but for process ids, keys and the oids of what users made.
//
//	compose.go   Run: rounds of sessions until the time is over
//	program.go   what a session does: pieces of steps; how they are written
//	generate.go  composing a program from pieces
//	pieces_*.go  the pieces
//	objects.go   what each session finds in the database
//	wire.go      one session on its connection
//	schedule.go  whose step comes next
//	shrink.go    the least that still differs
//
// Sessions of a round share a database and a role, so that they share server connections, but no objects: what one does must
// not be seen by another. A round follows from its seed: the programs entirely, and the order of the steps as far as it does
// not depend on which steps had to wait for a server connection.
package compose
