package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// saslprep prepares a password as PostgreSQL's pg_saslprep does (RFC 4013): what the
// profile prohibits, and what is not UTF-8, is used as it is. Code points that Unicode 3.2
// did not know are let through rather than prohibited; only where normalisation would
// change them is the result another than PostgreSQL's.
func saslprep(password string) string {
	if isASCII(password) || !utf8.ValidString(password) {
		return password
	}
	mapped := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(mappedToNothing, r):
			return -1
		case r != ' ' && unicode.Is(unicode.Zs, r):
			return ' '
		}
		return r
	}, password)
	out := norm.NFKC.String(mapped)
	if out == "" || strings.ContainsFunc(out, prohibited) || !directionsFit(out) {
		return password
	}
	return out
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// mappedToNothing is RFC 3454's table B.1.
var mappedToNothing = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x00AD, Hi: 0x00AD, Stride: 1},
	{Lo: 0x034F, Hi: 0x034F, Stride: 1},
	{Lo: 0x1806, Hi: 0x1806, Stride: 1},
	{Lo: 0x180B, Hi: 0x180D, Stride: 1},
	{Lo: 0x200B, Hi: 0x200D, Stride: 1},
	{Lo: 0x2060, Hi: 0x2060, Stride: 1},
	{Lo: 0xFE00, Hi: 0xFE0F, Stride: 1},
	{Lo: 0xFEFF, Hi: 0xFEFF, Stride: 1},
}}

// prohibitedTable is what RFC 3454's tables C.6 to C.9 have beyond control, private use
// and non-character code points.
var prohibitedTable = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0340, Hi: 0x0341, Stride: 1},
	{Lo: 0x06DD, Hi: 0x06DD, Stride: 1},
	{Lo: 0x070F, Hi: 0x070F, Stride: 1},
	{Lo: 0x180E, Hi: 0x180E, Stride: 1},
	{Lo: 0x200E, Hi: 0x200F, Stride: 1},
	{Lo: 0x2028, Hi: 0x202E, Stride: 1},
	{Lo: 0x2061, Hi: 0x2063, Stride: 1},
	{Lo: 0x206A, Hi: 0x206F, Stride: 1},
	{Lo: 0x2FF0, Hi: 0x2FFB, Stride: 1},
	{Lo: 0xFFF9, Hi: 0xFFFD, Stride: 1},
}, R32: []unicode.Range32{
	{Lo: 0x1D173, Hi: 0x1D17A, Stride: 1},
	{Lo: 0xE0001, Hi: 0xE0001, Stride: 1},
	{Lo: 0xE0020, Hi: 0xE007F, Stride: 1},
}}

func prohibited(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Co, r) ||
		unicode.Is(unicode.Noncharacter_Code_Point, r) || unicode.Is(prohibitedTable, r)
}

// directionsFit is RFC 3454's section 6: right-to-left text begins and ends so and has
// nothing left-to-right in it.
func directionsFit(s string) bool {
	var left, right bool
	for _, r := range s {
		rtl, ltr := directions(r)
		left, right = left || ltr, right || rtl
	}
	if !right {
		return true
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	firstRight, _ := directions(first)
	lastRight, _ := directions(last)
	return !left && firstRight && lastRight
}

func directions(r rune) (right, left bool) {
	p, _ := bidi.LookupRune(r)
	class := p.Class()
	return class == bidi.R || class == bidi.AL, class == bidi.L
}
