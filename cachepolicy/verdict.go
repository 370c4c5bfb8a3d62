package cachepolicy

import (
	"math"
	"time"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// Key names a result. Two requests with the same key get the same bytes as long as no table changed.
type Key [32]byte

// Table names one relation of one database, as invalidation does. Rel 0 stands for all relations of the database.
type Table struct {
	Database string
	Rel      catalog.RelID
}

// SchemaRel is no relation. Among what a write changed it says that the schema of the database did, of all databases if it
// has no name, so that what other instances know of it is old.
const SchemaRel catalog.RelID = math.MaxUint32

// ClassPolicy is what configuration says about results of one class or rule.
type ClassPolicy struct {
	Cache   bool
	TTL     time.Duration // how long a result may be served
	TimeTTL time.Duration // the same for results that depend on now() in a condition; 0: not kept
}

// Input is everything that a verdict rests on: one text, bound once.
type Input struct {
	Facts         *parser.Facts
	Names         *catalog.Resolution // nil when the catalog is not known
	Policy        ClassPolicy
	Text          []byte // as sent by the client
	Database      string
	User          string // login role
	Settings      []byte // digest of every setting of the session that may change the bytes (role and custom ones included)
	ParamTypes    []byte // the type oids of Parse as on the wire; nil in the simple protocol
	Params        []byte // parameter formats and values of Bind as on the wire, without portal and statement names
	ResultFormats []byte // result format codes of Bind as on the wire, their count in front; nil means all text
	Off           bool   // the session or the statement asked for no caching
	On            bool   // a hint or SET asked for caching although the class does not cache
	Simple        bool   // simple protocol
}

// Mode says what the cache may do for a request.
type Mode uint8

// The modes.
const (
	Bypass Mode = iota // not looked up, not kept
	Use                // looked up, and kept on a miss
)

// Verdict is the answer of the policy.
type Verdict struct {
	Mode   Mode
	Reason Reason  // why Bypass; Cacheable for Use
	Key    Key     // for Use
	Tables []Table // base relations the result depends on; for Use. Sorted by Rel
	TTL    time.Duration
}
