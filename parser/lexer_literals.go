package parser

import "bytes"

// quotedString reads a string from its opening quote on, with its continuations on later lines.
func (l *lexer) quotedString(t *token, escapes bool) {
	t.kind, t.plain = tokString, true
	for {
		if !l.quotedPart(t, escapes) {
			t.kind, t.plain = tokStrange, false
			return
		}
		at, ok := l.continuation()
		if !ok {
			return
		}
		l.pos, t.plain = at, false
	}
}

// quotedPart reads from an opening quote to behind the closing one and reports whether there is one.
func (l *lexer) quotedPart(t *token, escapes bool) bool {
	for l.pos++; l.pos < len(l.s); l.pos++ {
		switch l.s[l.pos] {
		case '\'':
			l.pos++
			if l.at(l.pos) != '\'' {
				return true
			}
		case '\\':
			if escapes {
				t.plain = false
				l.pos++
			} else {
				t.backslash = true
			}
		}
	}
	l.pos = len(l.s)
	return false
}

// continuation finds the quote that continues a string that ended at l.pos: only white space with a line break and
// comments of one line may stand between.
func (l *lexer) continuation() (at int, ok bool) {
	newline := false
	i := l.pos
	for i < len(l.s) {
		c := l.s[i]
		switch {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case classes[c]&isSpace != 0:
			i++
		case c == '-' && l.at(i+1) == '-':
			i = l.lineEnd(i)
		default:
			return i, newline && c == '\''
		}
	}
	return i, false
}

func (l *lexer) quotedName() tokenKind {
	for l.pos++; l.pos < len(l.s); l.pos++ {
		if l.s[l.pos] == '"' {
			l.pos++
			if l.at(l.pos) != '"' {
				return tokQuoted
			}
		}
	}
	return tokStrange
}

// dollar reads $1, $$...$$ or $tag$...$tag$.
func (l *lexer) dollar(t *token) {
	i := l.pos + 1
	if l.class(i)&isDigit != 0 {
		for l.class(i)&isDigit != 0 {
			i++
		}
		l.pos, t.kind = i, tokParam
		if l.class(i)&isStart != 0 {
			t.kind = tokStrange
		}
		return
	}
	if l.class(i)&isStart != 0 {
		for l.class(i)&(isStart|isDigit) != 0 {
			i++
		}
	}
	if l.at(i) != '$' {
		l.pos, t.kind = l.pos+1, tokStrange
		return
	}
	tag := l.s[l.pos : i+1]
	end := bytes.Index(l.s[i+1:], tag)
	if end < 0 {
		l.pos, t.kind = len(l.s), tokStrange
		return
	}
	l.pos, t.kind, t.plain = i+1+end+len(tag), tokString, true
}

// number reads an integer in any base or a numeric constant, with digits grouped by underscores.
func (l *lexer) number() tokenKind {
	if l.s[l.pos] == '0' && l.radix() {
		return l.endNumber()
	}
	l.digits()
	if l.at(l.pos) == '.' && l.at(l.pos+1) != '.' {
		l.pos++
		l.digits()
	}
	if l.at(l.pos)|0x20 == 'e' {
		i := l.pos + 1
		if c := l.at(i); c == '+' || c == '-' {
			i++
		}
		if l.class(i)&isDigit != 0 {
			l.pos = i
			l.digits()
		}
	}
	return l.endNumber()
}

// radix reads 0x1F, 0o17 or 0b11.
func (l *lexer) radix() bool {
	switch l.at(l.pos+1) | 0x20 {
	case 'x', 'o', 'b':
	default:
		return false
	}
	i := l.pos + 2
	for c := l.at(i); classes[c]&isDigit != 0 || c == '_' || c|0x20 >= 'a' && c|0x20 <= 'f'; c = l.at(i) {
		i++
	}
	if i == l.pos+2 {
		return false
	}
	l.pos = i
	return true
}

func (l *lexer) digits() {
	for l.class(l.pos)&isDigit != 0 || l.at(l.pos) == '_' && l.class(l.pos+1)&isDigit != 0 {
		l.pos++
	}
}

// endNumber refuses what PostgreSQL calls trailing junk after a numeric literal.
func (l *lexer) endNumber() tokenKind {
	if l.class(l.pos)&isStart == 0 {
		return tokNumber
	}
	l.skipWord()
	return tokStrange
}
