package proxy

import (
	"context"
	"time"

	"github.com/aioproxy/aioproxy/parser"
)

// doubt is a statement whose functions, or tables with their triggers, the catalog did not know when it was sent, as it is
// right after DDL. What it left behind on the connection is judged when the transaction is over and the client has its answer.
type doubt struct {
	facts            *parser.Facts
	searchPath, role string
	calls            bool // functions, by name
}

// doubtWait bounds how long the catalog is waited for then, and doubtPause is how often it is asked: a load usually takes some
// tens of milliseconds, and may have to begin first.
const (
	doubtWait  = time.Second
	doubtPause = 5 * time.Millisecond
)

// leaveUnjudged takes down a statement to be judged later.
func (s *Session) leaveUnjudged(f *parser.Facts, calls bool) {
	if n := len(s.unjudged); n == 0 || s.unjudged[n-1].facts != f || calls {
		s.unjudged = append(s.unjudged, doubt{f, s.searchPath, s.roleName(), calls})
	}
}

// resolveDoubts says what the doubtful statements may have done; failed, that one has failed. A connection of which that
// cannot be said is not for others.
func (s *Session) resolveDoubts(ctx context.Context, failed bool) (eff effects) {
	ctx, stop := context.WithTimeout(ctx, doubtWait)
	defer stop()
	for _, d := range s.unjudged {
		n := s.p.catalog.Resolve(s.database, d.facts, d.searchPath, d.role)
		for n == nil && waitFor(ctx, doubtPause) {
			s.p.catalog.AwaitLoad(ctx, s.database)
			n = s.p.catalog.Resolve(s.database, d.facts, d.searchPath, d.role)
		}
		switch {
		case n != nil && failed && len(s.req.facts) == 1 && s.req.facts[0] == d.facts && d.facts.Single() != nil:
			// It is what failed, and nothing went before it.
		case n == nil, n.Unknown != "" && d.calls && failed:
			s.conn.Tainted = true
		case n.Unknown != "" && d.calls, n.SetsState && n.Unlisted: // it has been dropped meanwhile
			eff |= effUnseen
		}
	}
	s.unjudged = s.unjudged[:0]
	return eff
}

// calls reports whether the text names functions that may leave something behind.
func calls(f *parser.Facts) bool {
	for i := range f.Statements {
		if !quiet(f.Statements[i].Functions) {
			return true
		}
	}
	return false
}
