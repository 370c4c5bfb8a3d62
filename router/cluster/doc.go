// Package cluster knows the nodes: their role, health, log position and lag. It asks PostgreSQL itself; roles are
// discovered, never configured. It answers where a read with a required position may run.
//
// One goroutine per node owns that node's control connection: it checks the node each interval and answers questions for
// the log position in between. Questions are batched: those who come while one is in flight share the next.
package cluster
