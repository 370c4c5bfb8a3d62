package router

import (
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// Override is what a session asked for with SET aioproxy.* or start-up options. Empty strings mean nothing was asked.
type Override struct {
	Route       string // "primary", "replica"
	Cache       string // "on", "off"
	Consistency string // "global", "session", "eventual"
}

// Input is everything that a decision rests on. Texts of one request (up to a Sync) are judged together: Facts and Names
// have the same length, and Names[i] is nil when the catalog is not loaded or known to be stale.
type Input struct {
	Facts         []*parser.Facts
	Names         []*catalog.Resolution
	Override      Override
	InTransaction bool   // a transaction block is open, or the session is pinned: the session holds its server connection
	ReadOnly      bool   // default_transaction_read_only is on for the session
	Database      string //
	User          string // the login role
	Role          string // the role set with SET ROLE, empty for none
	Application   string // application_name
	Serializable  bool   // default_transaction_isolation is serializable for the session: a replica would refuse everything
	Replicas      bool   // at least one replica is usable
	NoPrimary     bool   // no primary is known: reads go to a replica whatever their class
	PreparesOnly  bool   // the request parses or describes and runs nothing: Facts is empty, and any node can do it
	TooLarge      bool   // the request did not fit the look-ahead window: not all of its statements are in Facts
}
