package proxy

import (
	"context"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// quiet reports whether these are functions that leave nothing behind on the connection, as far as that can be said while the
// catalog is being loaded: right after DDL, when giving up the connection would cost the session its process id.
func quiet(functions []parser.Name) bool {
	for i, f := range functions {
		if !catalog.Quiet(f) && !cachepolicy.Harmless(functions[i:i+1]) {
			return false
		}
	}
	return true
}

// quietWait bounds the wait of awaitCatalog: a load usually takes some tens of milliseconds.
const quietWait = time.Second

// awaitCatalog lets a load of the catalog that runs end before a maintenance command. The load's snapshot may be older than what
// the session has just committed, and VACUUM would neither remove nor mark as visible to all what that snapshot might not see:
// plans would be others than on a direct connection. A load that begins later is younger than all of it.
func (s *Session) awaitCatalog(ctx context.Context) {
	for _, f := range s.req.facts {
		for i := range f.Statements {
			if f.Statements[i].Kind == parser.Maintenance {
				ctx, stop := context.WithTimeout(ctx, quietWait)
				s.p.catalog.AwaitLoad(ctx, s.database)
				stop()
				return
			}
		}
	}
}
