package router

import (
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

// finding is what one statement, or a whole request, turns out to be.
type finding struct {
	class  Class
	reason Reason // why it is not a read; without meaning for reads
	read   bool
}

func not(class Class, reason Reason) finding { return finding{class: class, reason: reason} }

// examine says whether a statement is a read that any server at the right position answers alike, and its class.
func (p *plan) examine(s *parser.Statement, names *catalog.Resolution) finding {
	switch s.Kind {
	case parser.Opaque:
		return not(OLTP, Opaque)
	case parser.Empty:
		return not(Session, Nothing)
	case parser.Select:
		return p.examineQuery(s, names)
	case parser.Insert, parser.Update, parser.Delete, parser.Merge, parser.CopyFrom:
		return not(OLTP, Write)
	case parser.Lock:
		return not(OLTP, Locks)
	case parser.CopyTo:
		return not(p.classOfInner(s, names), Copy)
	case parser.Explain:
		return p.examineExplain(s, names)
	case parser.Begin, parser.Commit, parser.Rollback, parser.Savepoint, parser.ReleaseSavepoint, parser.RollbackToSavepoint,
		parser.PrepareTransaction, parser.CommitPrepared, parser.RollbackPrepared:
		return not(Session, TransactionControl)
	case parser.Set, parser.Reset, parser.Show, parser.SetConstraints, parser.Prepare, parser.Execute, parser.Deallocate,
		parser.Discard, parser.Declare, parser.Fetch, parser.CloseCursor, parser.Listen, parser.Unlisten, parser.Notify, parser.Load:
		return not(Session, SessionCommand)
	case parser.Do, parser.Call:
		return not(OLTP, Procedure)
	case parser.DDL, parser.Truncate:
		return not(DDL, ddlReason(s))
	case parser.Maintenance:
		return not(Maintenance, MaintenanceCommand)
	}
	return not(OLTP, Opaque)
}

func ddlReason(s *parser.Statement) Reason {
	switch {
	case s.Temp:
		return TempObject
	case s.Into:
		return CreatesTable
	case s.Kind == parser.Truncate:
		return Write
	}
	return SchemaChange
}

func (p *plan) classOfInner(s *parser.Statement, names *catalog.Resolution) Class {
	if s.Inner == nil {
		return p.shape.classify(s, names)
	}
	return p.examine(s.Inner, names).class
}

// examineExplain treats EXPLAIN as what it explains, so that the plan shown is the plan used.
func (p *plan) examineExplain(s *parser.Statement, names *catalog.Resolution) finding {
	if s.Inner == nil {
		return not(OLTP, Opaque)
	}
	return p.examine(s.Inner, names)
}

// examineQuery asks in the order of doubt: what the text says, then what its names mean.
func (p *plan) examineQuery(s *parser.Statement, names *catalog.Resolution) finding {
	class := p.shape.classify(s, names)
	switch {
	case s.Temp:
		return not(DDL, TempObject)
	case s.Into:
		return not(DDL, CreatesTable)
	case len(s.Writes) > 0:
		return not(OLTP, Write)
	case s.Locking:
		return not(OLTP, Locks)
	case names == nil:
		return not(class, CatalogUnknown)
	case names.Unknown != "":
		return not(class, UnknownName)
	}
	if reason, doubtful := doubtOfNames(names); doubtful {
		return not(class, reason)
	}
	if callsServerFunction(s, names) {
		return not(class, ServerFunction)
	}
	return finding{class: class, read: true}
}

// doubtOfNames says what in the meaning of the names keeps a query on the primary.
func doubtOfNames(n *catalog.Resolution) (Reason, bool) {
	switch {
	case n.Pins != "":
		return FunctionPins, true
	case n.SetsState:
		return FunctionState, true
	case n.Effects:
		return FunctionEffects, true
	case len(n.Writes) > 0 || n.WritesUnknown != "":
		return Write, true
	case n.Temporary:
		return TemporaryRelation, true
	case n.Unlogged:
		return UnloggedRelation, true
	case n.Foreign:
		return ForeignRelation, true
	case n.System:
		return SystemRelation, true
	}
	return 0, false
}
