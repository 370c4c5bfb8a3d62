package catalog

import "github.com/aioproxy/aioproxy/parser"

// write adds what changes when a relation is written: itself, its descendants, what foreign keys carry on to, and the
// parents of all these, whose contents change with them.
func (r *resolver) write(target *relation, kind parser.Kind) {
	changed := make(map[*relation]bool)
	r.down(target, kind, changed)
	for rel := range changed {
		r.wrote[rel] = true
	}
	for rel := range changed {
		r.up(rel)
	}
}

// down follows a write to wherever rows may change.
func (r *resolver) down(rel *relation, kind parser.Kind, changed map[*relation]bool) {
	if changed[rel] {
		return
	}
	changed[rel] = true
	r.effectsOfWriting(rel)
	next := rel.cascades
	if kind == parser.Truncate {
		// Without CASCADE, TRUNCATE of a table that others refer to is an error unless they are truncated too.
		next = rel.referring
	}
	for _, c := range next {
		r.down(c, kind, changed)
	}
	for _, c := range rel.children {
		r.down(c, kind, changed)
	}
	if rel.kind == kindView { // updatable: one of these is what changes
		for _, b := range rel.bases {
			r.down(b, kind, changed)
		}
		r.callsOf(rel)
	}
}

func (r *resolver) up(rel *relation) {
	for _, p := range rel.parents {
		if !r.wrote[p] {
			r.wrote[p] = true
			if p.kind == kindPartitioned { // PostgreSQL 12 hides the triggers that partitions have of their parents
				r.effectsOfWriting(p)
			}
			r.up(p)
		}
	}
}

func (r *resolver) effectsOfWriting(rel *relation) {
	switch {
	case rel.system:
		r.out.System = true
		r.writesUnknown("system catalogue")
	case rel.kind == kindForeign:
		r.writesUnknown("foreign table")
	case rel.rule:
		r.writesUnknown("rule")
	case rel.trigger:
		r.writesUnknown("trigger")
	}
	r.out.Temporary = r.out.Temporary || rel.temporary
	for _, n := range rel.onWrite {
		e := r.snap.functions[n]
		r.out.SetsState = r.out.SetsState || e.setsState
		r.out.Unlisted = r.out.Unlisted || e.unlisted
		if e.writes {
			r.writesUnknown("default")
		}
	}
	for _, n := range rel.triggered {
		r.out.SetsState = r.out.SetsState || r.snap.functions[n].setsState
		r.out.Unlisted = r.out.Unlisted || r.snap.functions[n].unlisted
	}
}
