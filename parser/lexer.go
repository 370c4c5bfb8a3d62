package parser

import "bytes"

// tokenKind is what the folder, the depth guard and the search for hints need to tell apart.
type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokSpace             // one run of white space and comments, except hint comments
	tokHint              // a comment /* aioproxy: ... */
	tokWord              // an identifier or key word without quotes
	tokQuoted            // "identifier"
	tokString            // '...', E'...', $tag$...$tag$
	tokBits              // B'...', X'...'
	tokNumber            //
	tokParam             // $1
	tokSymbol            // one byte of an operator or of punctuation, or two dots
	tokStrange           // valid or not, nothing that we care to understand: U&'...', N'...', an open quote, junk
)

// token is one token; start and end are offsets into the text.
type token struct {
	kind       tokenKind
	start, end int
	plain      bool // a string whose value is what stands between its quotes (doubled quotes apart)
	backslash  bool // a plain '...' string has a backslash, which standard_conforming_strings=off reads otherwise
}

const (
	isSpace  = 1 << iota
	isStart  // may start an identifier
	isDigit  //
	isSymbol // operator or punctuation
)

var classes = func() (c [256]uint8) {
	for _, b := range []byte(" \t\n\r\f") {
		c[b] |= isSpace
	}
	for b := range 26 {
		c['a'+b] |= isStart
		c['A'+b] |= isStart
	}
	c['_'] |= isStart
	for b := 0x80; b < 0x100; b++ {
		c[b] |= isStart
	}
	for b := '0'; b <= '9'; b++ {
		c[b] |= isDigit
	}
	for _, b := range []byte("~!@#^&|`?+-*/%<>=,()[].;:") {
		c[b] |= isSymbol
	}
	return c
}()

// lexer splits a text by the lexical rules of PostgreSQL's scan.l with standard_conforming_strings=on. It allocates nothing
// and never fails: what it does not understand is a tokStrange.
type lexer struct {
	s   []byte
	pos int
}

func (l *lexer) at(i int) byte {
	if i < len(l.s) {
		return l.s[i]
	}
	return 0
}

func (l *lexer) class(i int) uint8 { return classes[l.at(i)] }

func (l *lexer) next() token {
	if l.pos >= len(l.s) {
		return token{kind: tokEnd, start: l.pos, end: l.pos}
	}
	t := token{start: l.pos}
	c := l.s[l.pos]
	switch {
	case classes[c]&isSpace != 0, c == '-' && l.at(l.pos+1) == '-', c == '/' && l.at(l.pos+1) == '*':
		t.kind = l.space()
	case classes[c]&isStart != 0:
		l.word(&t)
	case classes[c]&isDigit != 0, c == '.' && l.class(l.pos+1)&isDigit != 0:
		t.kind = l.number()
	case c == '\'':
		l.quotedString(&t, false)
	case c == '"':
		t.kind = l.quotedName()
	case c == '$':
		l.dollar(&t)
	case classes[c]&isSymbol != 0:
		t.kind = tokSymbol
		l.pos++
		if c == '.' && l.at(l.pos) == '.' { // 1..5 is not 1 . .5
			l.pos++
		}
	default:
		t.kind = tokStrange
		l.pos++
	}
	t.end = l.pos
	return t
}

// space reads white space and comments up to the next token or hint comment.
func (l *lexer) space() tokenKind {
	start := l.pos
	for l.pos < len(l.s) {
		c := l.s[l.pos]
		switch {
		case classes[c]&isSpace != 0:
			l.pos++
		case c == '-' && l.at(l.pos+1) == '-':
			l.pos = l.lineEnd(l.pos)
		case c == '/' && l.at(l.pos+1) == '*':
			end, closed := l.commentEnd(l.pos)
			if !closed {
				l.pos = len(l.s)
				return tokStrange
			}
			if hintBody(l.s[l.pos:end]) != nil {
				if l.pos > start {
					return tokSpace
				}
				l.pos = end
				return tokHint
			}
			l.pos = end
		default:
			return tokSpace
		}
	}
	return tokSpace
}

func (l *lexer) lineEnd(i int) int {
	if n := bytes.IndexAny(l.s[i:], "\n\r"); n >= 0 {
		return i + n
	}
	return len(l.s)
}

// commentEnd returns the offset behind the comment that begins at i; comments nest.
func (l *lexer) commentEnd(i int) (end int, closed bool) {
	depth := 0
	for i+1 < len(l.s) {
		switch {
		case l.s[i] == '/' && l.s[i+1] == '*':
			depth++
			i += 2
		case l.s[i] == '*' && l.s[i+1] == '/':
			depth--
			i += 2
			if depth == 0 {
				return i, true
			}
		default:
			i++
		}
	}
	return len(l.s), false
}

func (l *lexer) word(t *token) {
	next := l.at(l.pos + 1)
	if next == '\'' || next == '&' {
		switch l.s[l.pos] | 0x20 {
		case 'e':
			if next == '\'' {
				l.pos++
				l.quotedString(t, true)
				return
			}
		case 'b', 'x', 'n':
			if next == '\'' {
				national := l.s[l.pos]|0x20 == 'n'
				l.pos++
				l.quotedString(t, false)
				t.plain = false
				switch {
				case t.kind == tokStrange:
				case national:
					t.kind = tokStrange
				default:
					t.kind = tokBits
				}
				return
			}
		case 'u':
			if q := l.at(l.pos + 2); next == '&' && (q == '\'' || q == '"') {
				l.pos += 2
				if q == '"' {
					l.quotedName()
				} else {
					l.quotedString(t, false)
				}
				t.kind, t.plain = tokStrange, false
				return
			}
		}
	}
	l.skipWord()
	t.kind = tokWord
}

func (l *lexer) skipWord() {
	for l.pos < len(l.s) && (classes[l.s[l.pos]]&(isStart|isDigit) != 0 || l.s[l.pos] == '$') {
		l.pos++
	}
}
