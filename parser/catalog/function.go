package catalog

import "github.com/aioproxy/aioproxy/parser"

// effect is what a call may do; of several overloads, the worst of each.
type effect struct {
	volatility Volatility
	effects    bool   // does something
	writes     bool   // may change tables
	reads      bool   // may read tables that the text does not name
	setsState  bool   // may change what belongs to the session
	unlisted   bool   // and that is not only what the server lists
	system     bool   // answers from the server's or the session's state
	foreign    bool   // did not come with PostgreSQL
	pins       string // see Resolution.Pins
	time       parser.TimeUse
}

func (e *effect) add(o effect) {
	e.volatility = max(e.volatility, o.volatility)
	e.effects = e.effects || o.effects
	e.writes = e.writes || o.writes
	e.reads = e.reads || o.reads
	e.setsState = e.setsState || o.setsState
	e.unlisted = e.unlisted || o.unlisted
	e.system = e.system || o.system
	e.foreign = e.foreign || o.foreign
	e.time = max(e.time, o.time)
	if e.pins == "" {
		e.pins = o.pins
	}
}

// rank orders functions by how much there is to say against them, volatility first.
func (e effect) rank() int {
	r := int(e.volatility) * 8
	switch {
	case e.foreign:
		r += 3
	case e.system:
		r += 2
	case e.time != parser.TimeUnused:
		r++
	}
	return r
}

// procedure is a row of pg_proc that PostgreSQL did not come with.
type procedure struct {
	name       parser.Name
	volatility Volatility
	language   string
	extension  string
	body       string // of SQL and PL/pgSQL
}

// volatilityOf reads pg_proc.provolatile; what it does not know is volatile.
func volatilityOf(code string) Volatility {
	switch code {
	case "i":
		return Immutable
	case "s":
		return Stable
	}
	return Volatile
}

// judged is a procedure with what its body says.
type judged struct {
	name   parser.Name
	effect effect
	body   bodyFacts
}

// judge says what a user's function does by itself, before the functions that its body names are looked at.
// PostgreSQL trusts the label (documentation, "xfunc-volatility"): a function that is not volatile has no side effects.
func judge(p procedure) judged {
	j := judged{name: p.name, effect: effect{volatility: p.volatility, foreign: true}}
	if p.volatility == Volatile && harmlessExtension[p.extension][p.name.Name] {
		return j
	}
	volatile := p.volatility == Volatile
	j.effect.effects, j.effect.writes = volatile, volatile
	j.effect.reads = volatile || p.volatility == Stable && !closedExtension[p.extension]
	switch p.language {
	case "sql", "plpgsql":
		j.body = readBody(p.body)
		j.effect.setsState, j.effect.unlisted = j.body.setsState, j.body.unlisted
	default:
		// Nobody can see what it does; C functions that are not volatile are trusted.
		j.effect.setsState, j.effect.unlisted = volatile, volatile
		j.body.writes = true
	}
	return j
}

// spread hands on what a function does to those whose bodies name it, until nothing changes. A name in a body is enough:
// which of several functions it means depends on a search_path of which nothing is known here.
func spread(all []judged) {
	callers := make(map[string][]int)
	for i := range all {
		for w := range all[i].body.words {
			callers[w] = append(callers[w], i)
		}
	}
	queue := make([]int, len(all))
	for i := range all {
		queue[i] = i
	}
	for len(queue) > 0 {
		j := &all[queue[0]]
		queue = queue[1:]
		if !j.effect.setsState && !j.body.writes {
			continue
		}
		for _, c := range callers[j.name.Name] {
			if all[c].inherit(j) {
				queue = append(queue, c)
			}
		}
	}
	for i := range all {
		all[i].body.words = nil
	}
}

// inherit reports whether the caller j got something new from what it calls.
func (j *judged) inherit(callee *judged) bool {
	sets, unlisted, writes := j.effect.setsState, j.effect.unlisted, j.body.writes
	j.effect.setsState = sets || callee.effect.setsState
	j.effect.unlisted = unlisted || callee.effect.unlisted
	j.body.writes = writes || callee.body.writes
	return sets != j.effect.setsState || unlisted != j.effect.unlisted || writes != j.body.writes
}
