package parser

import "bytes"

// opens begins what may be long, if such a thing is at that place, and says how many bytes that took; -1: that cannot be said yet.
func (c *Collapser) opens(at int, final bool) (n int, yes bool) {
	l := &c.lexer
	b, next := l.s[at], l.at(at+1)
	switch {
	case b == '\'':
		c.openString(0)
		return 1, true
	case b == '"':
		c.put('"')
		c.state, c.prev = inName, prevOther
		return 1, true
	case b == '-' && next == '-':
		c.state, c.gap = inLineComment, true
		return 2, true
	case b == '/' && next == '*':
		c.state, c.gap, c.depth = inBlockComment, true, 1
		c.value = append(c.value[:0], "/*"...)
		return 2, true
	case b == '$' && l.class(at+1)&isDigit == 0:
		return c.openDollar(l.s[at:], final), true
	case next == '\'':
		switch b |= 0x20; b {
		case 'e', 'b', 'x', 'n':
			c.openString(b)
			return 2, true
		}
	case next == '&' && b|0x20 == 'u' && l.at(at+2) == '\'':
		c.openString('u')
		return 3, true
	case next == '&' && b|0x20 == 'u' && l.at(at+2) == '"':
		c.put('U', '&', '"')
		c.state, c.prev = inName, prevOther
		return 3, true
	}
	return 0, false
}

func (c *Collapser) openString(prefix byte) {
	c.state, c.prefix = inString, prefix
	c.value, c.unread = c.value[:0], prefix == 'u'
}

func (c *Collapser) openDollar(p []byte, final bool) int {
	i := 1
	for i < len(p) && i < tokenMost && classes[p[i]]&(isStart|isDigit) != 0 {
		i++
	}
	switch {
	case i == len(p) && !final:
		return -1
	case i == len(p) || p[i] != '$':
		c.failed = true
		return 1
	}
	c.openString(0)
	c.state = inDollar
	c.tag = append(c.tag[:0], p[:i+1]...)
	return i + 1
}

func (c *Collapser) keepValue(p []byte) {
	room := valueMost - len(c.value)
	c.value = append(c.value, p[:min(room, len(p))]...)
	c.unread = c.unread || len(p) > room
}

func (c *Collapser) readString(p []byte) int {
	end := bytes.IndexByte(p, '\'')
	if c.prefix == 'e' {
		end = bytes.IndexAny(p, `'\`)
	}
	if end < 0 {
		end = len(p)
	}
	c.keepValue(p[:end])
	if c.lexing&BackslashStrings != 0 && c.prefix != 'e' && bytes.IndexByte(p[:end], '\\') >= 0 {
		c.failed = true // it means one thing or the other
	}
	switch {
	case end == len(p):
		return end
	case p[end] == '\\':
		c.unread, c.state = true, inEscape
	default: // the quote
		c.state = behindQuote
	}
	return end + 1
}

// readBehind looks for what continues a string; see lexer.continuation.
func (c *Collapser) readBehind(p []byte, final bool) int {
	for i, b := range p {
		switch {
		case b == '\n' || b == '\r':
			c.newline, c.after = true, true
		case classes[b]&isSpace != 0:
			c.after = true
		case b == '-' && i+1 == len(p) && !final:
			return more(i)
		case b == '-' && i+1 < len(p) && p[i+1] == '-':
			c.state, c.after = behindComment, true
			return i + 2
		case b == '\'' && c.newline:
			c.state = inString
			return i + 1
		default:
			c.endString()
			return i
		}
	}
	return len(p)
}

// readLine reads to the end of the line, which is not part of a comment.
func (c *Collapser) readLine(p []byte, then collapseState) int {
	i := bytes.IndexAny(p, "\n\r")
	if i < 0 {
		return len(p)
	}
	c.state = then
	return i
}

func (c *Collapser) readDollar(p []byte) int {
	if i := bytes.Index(p, c.tag); i >= 0 {
		c.keepValue(p[:i])
		c.after = false
		c.endString()
		return i + len(c.tag)
	}
	n := len(p) - len(c.tag) + 1
	if n <= 0 {
		return -1
	}
	c.keepValue(p[:n])
	return n
}

// readName copies a name. A doubled quote is read as the end of one and the beginning of the next, which comes out the same.
func (c *Collapser) readName(p []byte) int {
	n := bytes.IndexByte(p, '"') + 1
	if n == 0 {
		n = len(p)
	} else {
		c.state = inText
	}
	c.append(p[:n])
	return n
}

func (c *Collapser) readComment(p []byte) int {
	i := 0
	for i+1 < len(p) && c.depth > 0 {
		switch {
		case p[i] == '/' && p[i+1] == '*':
			c.depth++
			i += 2
		case p[i] == '*' && p[i+1] == '/':
			c.depth--
			i += 2
		default:
			i++
		}
	}
	if i == 0 {
		return -1
	}
	c.value = append(c.value, p[:min(i, commentMost-min(commentMost, len(c.value)))]...)
	if c.depth == 0 {
		c.state = inText
		c.endComment()
	}
	return i
}

// endComment keeps a hint. Of a comment that is too long to be looked at as a whole it must be certain that it is none.
func (c *Collapser) endComment() {
	whole := len(c.value) < commentMost
	if !whole {
		c.value = append(c.value, "*/"...)
	}
	hint := hintBody(c.value) != nil
	blank := len(bytes.TrimLeft(c.value[2:], " \t\r\n\f")) < len("aioproxy:*/")
	switch {
	case hint && whole && len(c.hints)+len(c.value) < hintsMost:
		c.hints = append(append(c.hints, ' '), c.value...)
	case hint, !whole && blank:
		c.failed = true
	}
}

// endString puts a marker in the place of a string: one that may stand for the current time says so, once in a list.
func (c *Collapser) endString() {
	c.state = inText
	text := "'x'"
	switch c.prefix {
	case 'b', 'x':
		text = "B'0'"
	default: // an open set
		if (c.unread || mentionsTime(c.value)) && c.firstTime() {
			text = "'now'"
		}
	}
	if c.prefix == 'n' {
		c.put('N')
	}
	c.put([]byte(text)...)
	c.prev, c.cast = prevOther, 0
	c.gap = c.after
	c.after = false
}

// firstTime reports whether the list that is being read has no time yet.
func (c *Collapser) firstTime() bool {
	for i := range c.levels {
		if l := &c.levels[i]; l.kind == levelList || l.values {
			first := l.query || !l.now // in a query the place matters as well
			l.now = l.now || !l.query
			return first
		}
	}
	return true
}
