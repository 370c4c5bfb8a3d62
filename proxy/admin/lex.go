package admin

import "strings"

// split cuts a text into its commands, each a list of words: names in upper case, quoted text as it is, any other
// character as a word of its own. Empty commands and comments are left out. ok is false where a quote or a comment does
// not end.
func split(text string) (commands [][]string, ok bool) {
	var words []string
	for len(text) > 0 {
		n := wordLength(text)
		if n < 0 {
			return commands, false
		}
		word := text[:n]
		text = text[n:]
		switch {
		case word == ";":
			if len(words) > 0 {
				commands, words = append(commands, words), nil
			}
		case isSpace(word[0]), strings.HasPrefix(word, "--"), strings.HasPrefix(word, "/*"):
		case isName(word[0]):
			words = append(words, strings.ToUpper(word))
		default: // an open set
			words = append(words, word)
		}
	}
	if len(words) > 0 {
		commands = append(commands, words)
	}
	return commands, true
}

// wordLength is the length of the word, white space or comment that a text begins with; -1 where it does not end.
func wordLength(text string) int {
	switch c := text[0]; {
	case strings.HasPrefix(text, "--"):
		if n := strings.IndexByte(text, '\n'); n >= 0 {
			return n + 1
		}
		return len(text)
	case strings.HasPrefix(text, "/*"):
		return commentLength(text)
	case c == '\'', c == '"':
		if n := strings.IndexByte(text[1:], c); n >= 0 { // a doubled quote makes two words, which mean nothing either
			return n + 2
		}
		return -1
	case isName(c):
		return span(text, isName)
	case isSpace(c):
		return span(text, isSpace)
	}
	return 1
}

// commentLength: comments nest, as in SQL.
func commentLength(text string) int {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return -1
}

func span(text string, of func(byte) bool) int {
	for i := range len(text) {
		if !of(text[i]) {
			return i
		}
	}
	return len(text)
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
