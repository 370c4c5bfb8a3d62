package parser

import "bytes"

// Collapser makes a short text of a long one that is what the long one is: literals become markers, and of the rows of VALUES
// and the items of IN (...) and ARRAY[...] those that differ only in literals are kept once. It takes the text in parts that may
// end anywhere, and its memory is bounded whatever the text. It is for texts that are too long to be parsed; what it does not
// understand it gives up.
type Collapser struct {
	lexing Lexing
	limit  int // of the short text
	failed bool
	state  collapseState
	carry  []byte // the beginning of a token whose end is not there yet
	lexer  lexer
	out    []byte
	hints  []byte // comments with hints, for the end of the short text
	gap    bool   // white space or a comment since the last token

	// The string or comment that is being read.
	prefix  byte   // of a string: e, b, x, n, u; 0: none
	tag     []byte // of a dollar-quoted string
	value   []byte // its beginning; see valueMost
	unread  bool   // its value is not just what stands there
	newline bool   // a line break since the closing quote: another quote continues the string
	after   bool   // anything at all since then
	depth   int    // of a comment

	levels []level
	lists  int // how many levels are lists or rows
	prev   previous
	cast   uint8 // 1, 2: behind that many colons; 3: in the name of a type behind them
}

// collapseState says what the next byte is part of.
type collapseState uint8

const (
	inText         collapseState = iota
	inString                     // between quotes
	inEscape                     // behind a backslash in E'...'
	behindQuote                  // another one may follow: a doubled quote
	behindString                 // the string may go on after a line break
	behindComment                // the same, in a comment of one line
	inDollar                     // $tag$...$tag$
	inName                       // "identifier"
	inLineComment                // -- ...
	inBlockComment               // /* ... */
)

const (
	collapsedMost = 64 << 10 // of the short text
	tokenMost     = 1 << 10  // of a word, a number or the tag of a string
	carryMost     = tokenMost + 2*lookAhead
	valueMost     = 256     // of a string's value that is looked at
	commentMost   = 1 << 10 // of a comment that may be a hint
	hintsMost     = 8 << 10
	lookAhead     = 4 // bytes behind a token that may belong to it
)

// newCollapser returns one for a text that a session reads so.
func newCollapser(l Lexing, limit int) *Collapser {
	return &Collapser{lexing: l, limit: min(limit, collapsedMost), levels: make([]level, 1, 8)}
}

// Write takes the next part of the text. It keeps nothing of p.
func (c *Collapser) Write(p []byte) {
	if c.failed || len(p) == 0 {
		return
	}
	if bytes.IndexByte(p, 0) >= 0 || c.lexing&UnsafeEncoding != 0 && !ascii(p) {
		c.failed = true
		return
	}
	if len(c.carry) > 0 {
		c.carry = append(c.carry, p...)
		p = c.carry
	}
	rest := c.run(p, false)
	c.carry = append(c.carry[:0], rest...)
	c.failed = c.failed || len(c.carry) > carryMost
}

// text is the short text, when the long one is complete.
func (c *Collapser) text() (short []byte, ok bool) {
	if !c.failed {
		rest := c.run(c.carry, true)
		c.failed = c.failed || len(rest) > 0
	}
	switch c.state {
	case behindQuote, behindString, behindComment:
		c.after = false
		c.endString()
	case inString, inEscape, inDollar, inName, inBlockComment:
		c.failed = true
	case inText, inLineComment:
	}
	if c.failed || len(c.levels) != 1 {
		return nil, false
	}
	return append(c.out, c.hints...), true
}

// run reads on and returns what it needs more of to go on; final says that there is no more.
func (c *Collapser) run(p []byte, final bool) (rest []byte) {
	for len(p) > 0 && !c.failed {
		n := c.step(p, final)
		if n < 0 {
			return p
		}
		p = p[n:]
	}
	return nil
}

// step returns how much it has read, or -1 if it needs more.
func (c *Collapser) step(p []byte, final bool) int {
	switch c.state {
	case inText:
		return c.readText(p, final)
	case inString:
		return c.readString(p)
	case inEscape:
		c.state = inString
		return 1
	case behindQuote:
		if p[0] != '\'' {
			c.state, c.newline, c.after = behindString, false, false
			return 0
		}
		c.state = inString
		c.keepValue(p[:1])
		return 1
	case behindString:
		return c.readBehind(p, final)
	case behindComment:
		return c.readLine(p, behindString)
	case inDollar:
		return c.readDollar(p)
	case inName:
		return c.readName(p)
	case inLineComment:
		return c.readLine(p, inText)
	case inBlockComment:
		return c.readComment(p)
	}
	return len(p)
}

// readText reads words, numbers and symbols, up to the beginning of something that may be long.
func (c *Collapser) readText(p []byte, final bool) int {
	l := &c.lexer
	l.s, l.pos = p, 0
	defer func() { l.s = nil }()
	for l.pos < len(p) && !c.failed {
		at := l.pos
		if !final && at+lookAhead > len(p) {
			return more(at)
		}
		if classes[p[at]]&isSpace != 0 {
			c.gap = true
			l.pos++
			continue
		}
		if p[at]-'0' < 10 || p[at] == '-' {
			if end := c.plainNumber(p, at); end > 0 {
				l.pos = end
				continue
			}
		}
		if n, opens := c.opens(at, final); opens {
			if n < 0 {
				return more(at)
			}
			return at + n
		}
		t := l.next()
		if !final && t.end+lookAhead > len(p) {
			return more(at)
		}
		c.token(t.kind, p[t.start:t.end])
	}
	return l.pos
}

// more is for a step that cannot go on behind at.
func more(at int) int {
	if at == 0 {
		return -1
	}
	return at
}
