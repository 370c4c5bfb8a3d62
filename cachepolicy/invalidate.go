package cachepolicy

import (
	"strings"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// Everything stands for all relations of all databases.
var Everything = Table{}

// reach is how far the effect of a statement goes. A later one includes the earlier ones.
type reach uint8

const (
	nothing    reach = iota
	itsTables        // Resolution.Writes
	database         // all relations of the database
	everything       // privileges and roles: what other databases may show
)

// Invalidates says which relations a text may have changed, once it has been carried out: nil for none,
// Table{database, 0} when it cannot be told which, Everything when privileges in other databases may have changed.
// Doubt is a change.
func (p *Policy) Invalidates(f *parser.Facts, n *catalog.Resolution, in string) []Table {
	switch reachOf(f, n) {
	case nothing:
		return nil
	case itsTables:
		return tablesOf(in, n.Writes)
	case database:
		return []Table{{Database: in}}
	case everything:
		return []Table{Everything}
	}
	return []Table{Everything}
}

func reachOf(f *parser.Facts, n *catalog.Resolution) reach {
	if f == nil || f.Opaque() {
		// Nothing is known of it: it may be a GRANT, and its text may be of any length.
		return everything
	}
	worst := nothing
	for i := range f.Statements {
		worst = max(worst, statementReach(&f.Statements[i], f.Normalized, n))
	}
	return worst
}

func statementReach(s *parser.Statement, normalized string, n *catalog.Resolution) reach {
	switch s.Kind {
	case parser.Opaque:
		return everything
	case parser.Empty, parser.Begin, parser.Commit, parser.Rollback, parser.Savepoint, parser.ReleaseSavepoint,
		parser.RollbackToSavepoint, parser.RollbackPrepared, parser.Set, parser.Reset, parser.Show, parser.SetConstraints,
		parser.Deallocate, parser.Discard, parser.CloseCursor, parser.Listen, parser.Unlisten, parser.Notify, parser.Lock,
		parser.Load:
		return nothing
	case parser.PrepareTransaction:
		return nothing // what the transaction did is known from its statements; others see it at COMMIT PREPARED
	case parser.Prepare, parser.Fetch:
		return nothing // carried out by EXECUTE; judged at DECLARE
	case parser.Select, parser.CopyTo, parser.Declare:
		return readReach(s, n)
	case parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.CopyFrom, parser.Truncate:
		return writeReach(n)
	case parser.Explain:
		return explainReach(s, normalized, n)
	case parser.CommitPrepared, parser.Execute, parser.Do, parser.Call:
		return database
	case parser.DDL:
		if hasWord(normalized, privilegeWords) {
			return everything
		}
		return database
	case parser.Maintenance:
		if hasWord(normalized, refreshWords) {
			return database
		}
		return nothing // VACUUM, ANALYZE, CLUSTER, REINDEX and CHECKPOINT leave the rows as they are
	}
	return everything
}

func explainReach(s *parser.Statement, normalized string, n *catalog.Resolution) reach {
	switch {
	case !s.Executes:
		return nothing
	case s.Inner == nil:
		return database
	}
	return statementReach(s.Inner, normalized, n)
}

func writeReach(n *catalog.Resolution) reach {
	if n == nil || n.Unknown != "" || n.WritesUnknown != "" || len(n.Writes) == 0 {
		return database
	}
	return itsTables
}

// readReach is for statements that read by their form. Where the catalog does not know the names, one that calls only
// functions known to be harmless is taken for a read: the doubt that remains is a view that the catalog has not seen yet
// and that hides a function which writes.
func readReach(s *parser.Statement, n *catalog.Resolution) reach {
	switch {
	case s.Into:
		return database
	case len(s.Writes) > 0:
		return writeReach(n)
	case n == nil || n.Unknown != "":
		if allHarmless(s.Functions) {
			return nothing
		}
		return database
	case n.WritesUnknown != "":
		return database
	case len(n.Writes) > 0:
		return itsTables
	}
	return nothing
}

func allHarmless(functions []parser.Name) bool {
	for _, f := range functions {
		if !harmless(f) {
			return false
		}
	}
	return true
}

var (
	refreshWords = map[string]bool{"refresh": true}
	// privilegeWords are the words without which no statement changes roles, privileges or databases. A table that is
	// called "user" matches too and costs nothing but a few hits.
	privilegeWords = map[string]bool{
		"role": true, "user": true, "group": true, "system": true, "database": true, "grant": true, "revoke": true,
		"owned": true, "tablespace": true, "owner": true,
	}
)

// hasWord looks for whole words of a normalised text, in which no literal is left. It errs towards finding one.
func hasWord(normalized string, words map[string]bool) bool {
	for word := range strings.FieldsFuncSeq(normalized, notInWord) {
		if words[strings.ToLower(word)] {
			return true
		}
	}
	return false
}

func notInWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
}
