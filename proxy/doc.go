// Package proxy moves frames between clients and leased server connections, in protocol order.
//
// The way of a request through the files of this package:
//
//	proxy.go       listens, accepts, stops; what all sessions share
//	registry.go    sessions by process id; cancel requests
//	startup.go     start-up packet, login, ParameterStatus; welcome.go remembers the last logins
//	session.go     one client: reads a request, hands it on, ends it
//	request.go     frames up to a boundary, and what their statements are
//	last.go        what needs no server: SHOW aioproxy.last, books of our own
//	dispatch.go    where the request runs, the lease, and a second attempt elsewhere
//	cached.go      a request that a cached result answers; invalidation; recorder.go copies results
//	send.go        prepared statements in front and the request itself, in one write
//	carry.go       the session's settings, carried over to the server connection
//	statements.go  prepared statements: shared texts, names per session, names per server
//	ledger.go      what is owed to the client: the one machine of the protocol
//	relay.go       the server's answers, forwarded, swallowed or made
//	stream.go      messages larger than the window; copy.go COPY data
//	note.go        what statements may do to a session's state and to results, taken down before they are sent
//	state.go       what statements leave behind on a connection: settings become the session's, the rest pins
//	derive.go      what follows from a session's settings; the settings of a class
//	classes.go     how many statements of a class run at a time
//	watch.go       what happens beside the sessions: servers that speak unasked, clients that vanish
//	errors.go      what a client reads when something fails
//	metrics.go     what is counted
//
// Sub-packages: pgwire (frames and sockets), auth (who is it), backend (server connections), admin (HTTP).
package proxy
