package cachepolicy

import (
	"bytes"
	"encoding/binary"
)

// timeInParameters reports whether a parameter may be one of the words that the input functions of date and timestamp
// turn into the current time ("now", "today 12:00": "Date/Time Input", "Special Values"). Of which type a parameter is
// may be known to the server only, so a text parameter that just happens to be such a word counts too.
//
// wire is Input.Params: the count of formats, the formats, the count of values, the values with their lengths. ok is false
// when it is not of that form; PostgreSQL will refuse it.
func timeInParameters(wire []byte) (found, ok bool) {
	if len(wire) == 0 {
		return false, true
	}
	rest, ok := skip(wire, 2)
	if !ok {
		return false, false
	}
	if rest, ok = skip(rest, 2*int(binary.BigEndian.Uint16(wire))); !ok || len(rest) < 2 {
		return false, false
	}
	count := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	for range count {
		if len(rest) < 4 {
			return false, false
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size == -1 { // NULL
			continue
		}
		if size < 0 || size > len(rest) {
			return false, false
		}
		if tellsTime(rest[:size]) {
			return true, true
		}
		rest = rest[size:]
	}
	return false, len(rest) == 0
}

func skip(b []byte, n int) ([]byte, bool) {
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

var timeWords = [][]byte{[]byte("now"), []byte("today"), []byte("tomorrow"), []byte("yesterday")}

// maxDateText is longer than any text that the date parser accepts (MAXDATELEN is 128).
const maxDateText = 128

func tellsTime(value []byte) bool {
	if len(value) > maxDateText {
		return false
	}
	for _, word := range timeWords {
		for i := 0; i+len(word) <= len(value); i++ {
			if value[i]|0x20 == word[0] && bytes.EqualFold(value[i:i+len(word)], word) && wordEnds(value, i, len(word)) {
				return true
			}
		}
	}
	return false
}

func wordEnds(value []byte, at, size int) bool {
	return (at == 0 || !letter(value[at-1])) && (at+size == len(value) || !letter(value[at+size]))
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
