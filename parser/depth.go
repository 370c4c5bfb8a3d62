package parser

// MaxDepth bounds how deep the syntax tree of a text may get. PostgreSQL's grammar builds a chain such as 1+1+1+... as deep
// as it is long, and whoever walks the tree in C does so without looking at its stack: 60,000 terms end the process.
// PostgreSQL itself gives up at a depth of some thousands ("stack depth limit exceeded").
const MaxDepth = 1500

// TooDeep reports whether a tree of the text may be deeper than MaxDepth. It overestimates.
func TooDeep(sql []byte) bool {
	if len(sql) < MaxDepth {
		return false
	}
	g := depthGuard{lexer: lexer{s: sql}}
	return g.run()
}

// depthLevel counts what may nest between two brackets, or between CASE and END.
type depthLevel struct {
	operators int // since the last comma, AND, OR or clause: what those separate are siblings
	joins     int // since the last comma or SELECT
	unions    int // UNION, INTERSECT, EXCEPT
	isCase    bool
}

func (d depthLevel) depth() int { return d.operators + d.joins + d.unions }

// depthGuard adds up the levels that are open.
type depthGuard struct {
	lexer
	depthLevel
	outer []depthLevel
	sum   int  // of outer, and one for each
	dot   bool // the last token is a dot: a key word behind it is a name
}

func (g *depthGuard) run() bool {
	for t := g.next(); t.kind != tokEnd; t = g.next() {
		switch t.kind {
		case tokSymbol:
			g.symbol(g.s[t.start])
		case tokWord:
			if !g.dot {
				g.word(g.s[t.start:t.end])
			}
		case tokEnd, tokSpace, tokHint, tokQuoted, tokString, tokBits, tokNumber, tokParam, tokStrange:
		}
		if g.sum+g.depth() > MaxDepth {
			return true
		}
		if t.kind != tokSpace && t.kind != tokHint {
			g.dot = t.kind == tokSymbol && g.s[t.start] == '.'
		}
	}
	return false
}

func (g *depthGuard) open(isCase bool) {
	g.outer = append(g.outer, g.depthLevel)
	g.sum += g.depth() + 1
	g.depthLevel = depthLevel{isCase: isCase}
}

func (g *depthGuard) shut() {
	n := len(g.outer) - 1
	if n < 0 {
		return
	}
	g.depthLevel, g.outer = g.outer[n], g.outer[:n]
	g.sum -= g.depth() + 1
}

func (g *depthGuard) symbol(c byte) {
	switch c {
	case '(', '[':
		g.open(false)
	case ')', ']':
		g.shut()
	case ',':
		g.operators, g.joins = 0, 0
	case ';':
		g.operators, g.joins, g.unions = 0, 0, 0
	default:
		g.operators++
	}
}

func (g *depthGuard) word(w []byte) {
	var buffer [9]byte
	switch string(lowerWord(buffer[:], w)) {
	case "join":
		g.joins++
	case "union", "intersect", "except":
		g.operators = 0
		g.unions++
	case "not", "collate", "at", "operator", "is":
		g.operators++
	case "case":
		g.open(true)
	case "end":
		if g.isCase {
			g.shut()
		}
	case "select":
		g.operators, g.joins = 0, 0
	case "and", "or", "from", "where", "values", "when", "then", "else", "on":
		g.operators = 0
	}
}
