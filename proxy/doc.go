// Package proxy moves frames between clients and leased server connections, in protocol order.
//
// The way of a request through the files of this package:
//
//	proxy.go       listens, accepts, stops; what all sessions share
//	registry.go    sessions by process id; cancel requests
//	startup.go     start-up packet, login, ParameterStatus; welcome.go remembers the last logins
//	replication.go replication connections; tunnel.go carries their bytes
//	logins.go      DDL about roles and databases: what it means for logins and idle connections
//	options.go    what a start-up packet sets; what only a server can read of it
//	session.go     one client: reads a request, hands it on, ends it
//	request.go     frames up to a boundary, and what their statements are
//	last.go        what needs no server: SHOW aioproxy.last, books of our own
//	dispatch.go    where the request runs, the lease, and a second attempt elsewhere
//	defer.go       BEGIN goes with the first statement of its transaction
//	home.go        the server connection that a session is at home on, and with it its process id
//	quiet.go       maintenance commands wait for our own snapshots
//	cached.go      a request that a cached result answers; invalidation; recorder.go copies results
//	move.go        transactions and pins that leave a replica for the primary
//	send.go        prepared statements in front and the request itself, in one write
//	carry.go       the session's settings, carried over to the server connection
//	statements.go  prepared statements: shared texts, names per session, names per server
//	ownnames.go    the same statements under the client's names, where SQL names them (EXECUTE, pg_prepared_statements)
//	shape.go       what statements return: whether a copy made later may stand for the client's
//	reset.go       RESET of what the start-up packet asked for
//	ledger.go      what is owed to the client: the one machine of the protocol
//	relay.go       the server's answers, forwarded, swallowed or made
//	stream.go      messages larger than the window; long.go what their texts are; copy.go COPY data
//	note.go        what statements may do to a session's state and to results, taken down before they are sent
//	state.go       what statements leave behind on a connection: settings become the session's, the rest pins
//	doubt.go       statements that are judged after the fact, when the catalog is known
//	currval.go     connections are kept for a moment for questions about sequences
//	derive.go      what follows from a session's settings; the settings of a class
//	pins.go        why a session keeps its server connection
//	classes.go     how many statements of a class run at a time
//	watch.go       what happens beside the sessions: servers that speak unasked, clients that vanish
//	console.go     the console: clients of the database aioproxy
//	errors.go      what a client reads when something fails
//	metrics.go     what is counted
//
// Sub-packages: pgwire (frames and sockets), auth (who is it), backend (server connections), admin (HTTP, the console).
package proxy
