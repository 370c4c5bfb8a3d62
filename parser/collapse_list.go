package parser

import "bytes"

// formsMost bounds how many different items are kept of one list, and levelsMost how deep brackets nest.
const (
	formsMost  = 64
	levelsMost = 64
)

type levelKind uint8

const (
	levelPlain levelKind = iota
	levelList            // IN (...), ARRAY[...]: of items that are alike one is kept
	levelRow             // of VALUES, or an item in brackets: its elements stay
	levelType            // the modifiers of a type
)

// level is what stands between two brackets; the first one is the text itself.
type level struct {
	kind    levelKind
	values  bool // rows of VALUES are being read here
	isRow   bool // of VALUES, one level further out
	forms   []span
	last    int  // the form that was met last
	comma   int  // where the comma in front of the current item is
	item    int  // where the item begins
	element int  // where the current element begins
	query   bool // there is a query in the item: it stays
	now     bool // an item that is kept mentions the time
}

// span is a part of the short text.
type span struct{ start, end int }

// previous is what the last token means for a bracket behind it.
type previous uint8

const (
	prevOther previous = iota
	prevOpen
	prevComma
	prevRowEnd
	prevValues
	prevIn
	prevArray
	prevRow
)

func (c *Collapser) top() *level { return &c.levels[len(c.levels)-1] }

// put appends a token, with a space in front of it where there was one that matters.
func (c *Collapser) put(text ...byte) {
	if c.gap && len(c.out) > 0 {
		switch last := c.out[len(c.out)-1]; {
		case last == '(' || last == '[' || last == ',':
		case text[0] == ')' || text[0] == ']' || text[0] == ',':
		default: // an open set
			c.out = append(c.out, ' ')
		}
	}
	c.gap = false
	c.append(text)
}

func (c *Collapser) append(text []byte) {
	c.out = append(c.out, text...)
	c.failed = c.failed || len(c.out) > c.limit
}

// token takes a token that is no string, name or comment.
func (c *Collapser) token(kind tokenKind, text []byte) {
	if l := c.top(); l.values && c.prev == prevRowEnd && text[0] != ',' {
		l.values = false
	}
	c.failed = c.failed || len(text) > tokenMost
	switch kind {
	case tokWord:
		c.word(text)
	case tokNumber:
		if c.lists > 0 && c.top().kind != levelType {
			text = []byte{'1'}
		}
		c.put(text...)
		c.prev, c.cast = prevOther, 0
	case tokParam:
		c.put('$', '1')
		c.prev, c.cast = prevOther, 0
	case tokSymbol:
		c.symbol(text)
	case tokEnd, tokSpace, tokHint, tokQuoted, tokString, tokBits, tokStrange:
		c.failed = true
	}
}

func (c *Collapser) word(text []byte) {
	c.put(text...)
	c.prev = prevOther
	if c.cast >= 2 {
		c.cast = 3
	}
	var buffer [13]byte
	switch string(lowerWord(buffer[:], text)) {
	case "in":
		c.prev = prevIn
	case "array":
		c.prev = prevArray
	case "row":
		c.prev = prevRow
	case "select", "table", "from": // WITH has one of them as well, and is a part of the names of types
		c.query()
	case "values":
		c.query()
		l := c.top()
		*l = level{kind: l.kind, isRow: l.isRow, values: true, forms: l.forms[:0], comma: len(c.out), query: l.query, element: l.element}
		c.prev = prevValues
	case "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
		"regprocedure", "regrole", "regtype":
		c.failed = true // a string is a name
	}
}

// query: what is being read is no list of literals.
func (c *Collapser) query() {
	for i := range c.levels {
		c.levels[i].query = true
	}
	if l := c.top(); l.kind == levelList || l.kind == levelRow {
		l.kind = levelPlain
		c.lists--
	}
}

func (c *Collapser) symbol(text []byte) {
	switch b := text[0]; b {
	case '(', '[':
		c.open(b)
	case ')', ']':
		c.shut(b)
	case ',':
		c.comma()
	case ':':
		c.cast = min(c.cast%3+1, 2)
		c.put(text...)
		c.prev = prevOther
		return
	default: // an open set
		c.put(text...)
		c.prev = prevOther
	}
	c.cast = 0
}

// plainNumber takes a number that is all of an element, the most frequent thing in a long text, and returns its end; 0: it is
// none.
func (c *Collapser) plainNumber(p []byte, at int) int {
	if c.lists == 0 || c.prev != prevOpen && c.prev != prevComma {
		return 0
	}
	if k := c.top().kind; k != levelRow && k != levelList {
		return 0
	}
	i := at
	if p[i] == '-' {
		i++
	}
	first := i
	for i < len(p) && p[i]-'0' < 10 {
		i++
	}
	if i > first && i+1 < len(p) && p[i] == '.' && p[i+1]-'0' < 10 {
		for i++; i < len(p) && p[i]-'0' < 10; {
			i++
		}
	}
	if i == first || i == len(p) || p[i] != ',' && p[i] != ')' && p[i] != ']' {
		return 0
	}
	c.put('\'', 'x', '\'')
	c.prev = prevOther
	return i
}

func (c *Collapser) open(b byte) {
	outer := c.top()
	first := c.prev == prevOpen || c.prev == prevComma
	inList := outer.kind == levelList || outer.kind == levelRow
	kind, isRow := levelPlain, false
	switch {
	case b == '(' && outer.values && (c.prev == prevValues || c.prev == prevComma):
		kind, isRow = levelRow, true
	case b == '(' && c.prev == prevIn, b == '[' && c.prev == prevArray, b == '[' && first && outer.kind == levelList:
		kind = levelList
	case b == '(' && inList && (first || c.prev == prevRow):
		kind = levelRow
	case c.cast == 3:
		kind = levelType
	}
	c.put(b)
	if isRow {
		outer.item, outer.query = len(c.out)-1, false
	}
	if len(c.levels) == levelsMost {
		c.failed = true
		return
	}
	n := len(c.levels)
	if n == cap(c.levels) {
		c.levels = append(c.levels, level{})
	}
	c.levels = c.levels[:n+1]
	l, at := &c.levels[n], len(c.out)
	*l = level{kind: kind, isRow: isRow, forms: l.forms[:0], comma: at, item: at, element: at}
	if kind == levelList || kind == levelRow {
		c.lists++
	}
	c.prev = prevOpen
}

func (c *Collapser) shut(b byte) {
	if len(c.levels) == 1 {
		c.failed = true
		return
	}
	l := c.top()
	c.endElement(l)
	isRow := l.isRow
	if l.kind == levelList || l.kind == levelRow {
		c.lists--
	}
	c.levels = c.levels[:len(c.levels)-1]
	c.put(b)
	c.prev = prevOther
	if isRow {
		c.endItem(c.top())
		c.prev = prevRowEnd
	}
}

func (c *Collapser) comma() {
	l := c.top()
	c.endElement(l)
	l.values = l.values && c.prev == prevRowEnd
	if l.values || l.kind == levelList {
		l.comma = len(c.out)
	}
	c.put(',')
	l.element = len(c.out)
	if l.kind == levelList {
		l.item, l.query = l.element, false
	}
	c.prev = prevComma
}

// endElement makes literals of all kinds one, so that 1, -1, NULL and 'a' make no items of different form.
func (c *Collapser) endElement(l *level) {
	if l.kind != levelList && l.kind != levelRow || l.values {
		return
	}
	e := c.out[l.element:]
	n := literal(e)
	if n > 0 && (n == len(e) || e[0] != '-' && bytes.HasPrefix(e[n:], []byte("::"))) {
		var rest [tokenMost]byte
		kept := append(rest[:0], e[n:]...)
		c.out = append(append(c.out[:l.element], "'x'"...), kept...)
	}
	if l.kind == levelList {
		c.endItem(l)
	}
}

// literal is the length of the literal at the beginning of an element, as this file writes them, unless it is a string.
func literal(e []byte) int {
	switch {
	case len(e) > 0 && e[0] == '1':
		return 1
	case len(e) > 1 && e[0] == '-' && e[1] == '1':
		return 2
	case len(e) >= 4 && (bytes.EqualFold(e[:4], []byte("null")) || bytes.EqualFold(e[:4], []byte("true"))):
		return 4
	case len(e) >= 5 && bytes.EqualFold(e[:5], []byte("false")):
		return 5
	}
	return 0
}

// endItem drops an item that was there already.
func (c *Collapser) endItem(l *level) {
	item := c.out[l.item:]
	if !l.query {
		for i := range l.forms {
			at := (l.last + i) % len(l.forms)
			if f := l.forms[at]; bytes.Equal(c.out[f.start:f.end], item) {
				l.last = at
				c.out = c.out[:l.comma]
				return
			}
		}
	}
	if len(l.forms) == formsMost {
		c.failed = true
		return
	}
	l.last = len(l.forms)
	l.forms = append(l.forms, span{l.item, len(c.out)})
}
