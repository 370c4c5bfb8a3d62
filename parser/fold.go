package parser

import "strconv"

// Markers that stand for a literal in a key. No token outside quotes can hold such a byte.
const (
	markNumber = 0x01
	markString = 0x02
	markBits   = 0x03
)

// folder makes, in one pass, a text in which white space is folded, comments are gone and literals are replaced. With
// number < 0 the result is a key for the memo: hint comments stay and literals become markers. Otherwise it is for
// people: literals become $number, $number+1, ...
type folder struct {
	lexer
	number int
	shares bool // no literal so far can change what the text is, other than by its value

	depth     int  // of parentheses
	byDepth   int  // depth of a GROUP BY or ORDER BY list, whose plain numbers are positions; -1: none
	typeDepth int  // depth inside of a type's modifiers, as in numeric(10, 2); -1: none
	typeName  bool // the last token is a type name that may have modifiers
	itemStart bool // the last token is BY or a comma
}

// AppendNormalized appends the text with its literals replaced by $n, counting on from the highest parameter of the text,
// without comments and with white space folded. Column positions (ORDER BY 1) and type modifiers stay. What is not
// understood, such as an open quote, becomes OpaqueText.
func AppendNormalized(dst, sql []byte) []byte {
	f := folder{lexer: lexer{s: sql}, number: highestParam(sql) + 1}
	return f.fold(dst)
}

// appendKey appends the key under which texts share facts that differ only in literals, and reports whether they may.
func appendKey(dst, sql []byte) (key []byte, shares bool) {
	f := folder{lexer: lexer{s: sql}, number: -1, shares: true}
	dst = f.fold(dst)
	return dst, f.shares
}

func highestParam(sql []byte) int {
	highest := 0
	l := lexer{s: sql}
	for t := l.next(); t.kind != tokEnd; t = l.next() {
		if t.kind == tokParam {
			if n, err := strconv.Atoi(string(sql[t.start+1 : t.end])); err == nil && n <= 1<<16 {
				highest = max(highest, n)
			}
		}
	}
	return highest
}

func (f *folder) forKey() bool { return f.number < 0 }

func (f *folder) fold(dst []byte) []byte {
	f.byDepth, f.typeDepth = -1, -1
	start, space := len(dst), false
	for t := f.next(); t.kind != tokEnd; t = f.next() {
		if t.kind == tokSpace || t.kind == tokHint && !f.forKey() {
			space = len(dst) > start
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = f.appendToken(dst, t)
		if f.forKey() && !f.shares {
			return dst
		}
	}
	return dst
}

func (f *folder) appendToken(dst []byte, t token) []byte {
	text := f.s[t.start:t.end]
	itemStart, typeName := f.itemStart, f.typeName
	f.itemStart, f.typeName = false, false
	switch t.kind {
	case tokEnd, tokSpace:
	case tokHint:
		f.itemStart, f.typeName = itemStart, typeName
		return append(dst, text...)
	case tokWord:
		f.word(text)
		return append(dst, text...)
	case tokQuoted, tokParam:
		return append(dst, text...)
	case tokSymbol:
		f.symbol(text[0], typeName)
		return append(dst, text...)
	case tokNumber:
		if f.typeDepth == f.depth || itemStart && f.byDepth == f.depth {
			return append(dst, text...)
		}
		return f.appendLiteral(dst, markNumber)
	case tokString:
		if !t.plain || t.backslash || mentionsTime(text) {
			f.shares = false
		}
		return f.appendLiteral(dst, markString)
	case tokBits:
		return f.appendLiteral(dst, markBits)
	case tokStrange:
		f.shares = false
		if !f.forKey() {
			return append(dst, OpaqueText...)
		}
	}
	return dst
}

func (f *folder) appendLiteral(dst []byte, mark byte) []byte {
	if f.forKey() {
		return append(dst, mark)
	}
	dst = strconv.AppendInt(append(dst, '$'), int64(f.number), 10)
	f.number++
	return dst
}

func (f *folder) symbol(c byte, typeName bool) {
	switch c {
	case '(', '[':
		f.depth++
		if c == '(' && typeName {
			f.typeDepth = f.depth
		}
	case ')', ']':
		f.depth--
		if f.depth < f.byDepth {
			f.byDepth = -1
		}
		if f.depth < f.typeDepth {
			f.typeDepth = -1
		}
	case ',':
		f.itemStart = true
	}
}

// word notes the words after which numbers are not literals, and those that make a string more than a value.
func (f *folder) word(text []byte) {
	var buffer [20]byte
	switch string(lowerWord(buffer[:], text)) {
	case "by":
		f.byDepth, f.itemStart = f.depth, true
	case "bit", "bpchar", "char", "character", "dec", "decimal", "float", "interval", "nchar", "numeric", "second", "time",
		"timestamp", "timestamptz", "timetz", "varbit", "varchar", "varying",
		"current_time", "current_timestamp", "localtime", "localtimestamp":
		f.typeName = true
	case "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
		"regprocedure", "regrole", "regtype":
		f.shares = false
	}
}

// mentionsTime reports whether a literal has a word that PostgreSQL's date input reads as the current time.
func mentionsTime(s []byte) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if c != 'n' && c != 't' && c != 'y' || i > 0 && isLetter(s[i-1]) {
			continue
		}
		j := i + 1
		for j < len(s) && isLetter(s[j]) {
			j++
		}
		if isTimeWord(s[i:j]) {
			return true
		}
		i = j - 1
	}
	return false
}

func isLetter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

func isTimeWord(w []byte) bool {
	var buffer [9]byte
	switch string(lowerWord(buffer[:], w)) {
	case "now", "today", "tomorrow", "yesterday":
		return true
	}
	return false
}

// lowerWord copies a word in lower case into the buffer; of a word that is too long for it nothing is left.
func lowerWord(buffer, word []byte) []byte {
	if len(word) > len(buffer) {
		return nil
	}
	for i, c := range word {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buffer[i] = c
	}
	return buffer[:len(word)]
}
