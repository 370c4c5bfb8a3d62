package backend

import (
	"time"

	"github.com/aioproxy/aioproxy/proxy/pgwire"
)

// Key says which connections are alike: those of one pool.
type Key struct{ Node, Database, User string }

// Conn is a connection to a server that has logged in. The exported fields belong to the lessee.
type Conn struct {
	Wire   *pgwire.Conn
	Reader *pgwire.Reader
	PID    uint32
	Secret []byte // 4 bytes under protocol 3.0
	Status Status
	// Applied is what the server is known to have beyond its own defaults for this database and user.
	Applied  *Settings
	Prepared *Prepared
	// Unnamed is the id of the statement that the unnamed one is; 0 when that is not known or there is none.
	Unnamed     uint64
	UnnamedCopy Copy // what is noted of it
	// Strays are names of which it is not known whether the server has them; the next lessee closes them.
	Strays []string
	// Tainted is for the session to say that there may be state which nobody accounted for: such a connection is closed
	// when it is released.
	Tainted bool
	// Private is for the session to say that its own statements may still show what it did here, and nobody else's shall:
	// such a connection is lent to the tenant who is at home on it, and closed when another needs it.
	Private bool
	// Lessee is for the session to say whose sequence values the connection has: the ID of a Tenant.
	Lessee uint64

	key  Key
	dial DialConfig // how it was dialled: cancels go the same way
	born time.Time

	// Below: guarded by pool.mu.
	pool      *Pool
	state     connState
	owner     uint64 // whose home it is; 0: nobody's
	leases    uint64 // how often it was lent: the number of the present lease
	gen       uint64 // of the pool when it was dialled
	idleSince time.Duration
	adopted   time.Duration // when it became one of the pool's
	spread    float64       // its share of max_lifetime: what was dialled together does not end together
	cancels   int           // in flight
	unsure    bool          // a cancel may still arrive
	keep      bool          // while parked: what Release was told
}

// expired reports whether the connection has reached max_lifetime, give or take a tenth.
func (c *Conn) expired(now time.Duration, cfg *Config) bool {
	return cfg.MaxLifetime > 0 && now-c.adopted > time.Duration(float64(cfg.MaxLifetime)*c.spread)
}

// connState is where a connection is; each state is a list or a count of its pool.
type connState uint8

const (
	leased connState = iota
	idle
	parked // released, but cancels for the past lease are in flight
	gone
	connStates
)

var connStateNames = [connStates]string{"leased", "idle", "parked", "gone"}

func (s connState) String() string { return connStateNames[s] }

// Key returns the pool's key.
func (c *Conn) Key() Key { return c.key }

// Born is when the connection was dialled.
func (c *Conn) Born() time.Time { return c.born }

// Ticket names the present lease. Take it while holding the lease; a ticket whose lease is over cancels nothing.
func (c *Conn) Ticket() Ticket { return Ticket{conn: c, lease: c.leases} }

// Ticket is a lease to be cancelled, perhaps. The zero Ticket is one that is over.
type Ticket struct {
	conn  *Conn
	lease uint64
}

var terminate = pgwire.AppendTerminate(nil)

// close never waits for the server. Without room in the socket for Terminate the server sees just the close.
func (c *Conn) close() {
	if c.Wire == nil {
		return
	}
	_, _ = c.Wire.TryWrite(terminate)
	_ = c.Wire.Close()
}
