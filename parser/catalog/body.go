package catalog

import "strings"

// word is an unquoted word of a function's body. Literals and comments give none: a literal can only be carried out
// by EXECUTE or by a function, and those are words.
type word struct {
	text  string // lower case
	start bool   // a statement may begin here
}

// bodyWords returns the words of a body in SQL or PL/pgSQL, by PostgreSQL's lexical rules
// (documentation, "sql-syntax-lexical"). Quoted identifiers count as words, so that a quoted call is found.
func bodyWords(body string) []word {
	var out []word
	start := true
	for i := 0; i < len(body); {
		c := body[i]
		switch {
		case strings.IndexByte(whitespace, c) >= 0:
			i++
		case strings.HasPrefix(body[i:], "--"):
			i = lineEnd(body, i)
		case strings.HasPrefix(body[i:], "/*"):
			i = commentEnd(body, i)
		case c == '\'':
			i, start = literalEnd(body, i, escapesBefore(body, i)), false
		case c == '"':
			end := literalEnd(body, i, false)
			out = append(out, word{text: strings.ToLower(strings.Trim(body[i:end], `"`))})
			i, start = end, false
		case c == '$':
			i, start = dollarEnd(body, i), false
		case isWord(c):
			end := i + 1
			for end < len(body) && (isWord(body[end]) || body[end] == '$') {
				end++
			}
			w := word{text: strings.ToLower(body[i:end]), start: start}
			out = append(out, w)
			i, start = end, opensStatement(w.text)
		default:
			start = c == ';' || (c == '>' && i > 0 && body[i-1] == '>')
			i++
		}
	}
	return out
}

// opensStatement reports whether PL/pgSQL or BEGIN ATOMIC may go on with a statement after this word.
func opensStatement(w string) bool {
	switch w {
	case "begin", "then", "else", "loop", "atomic", "declare":
		return true
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// escapesBefore reports whether the literal at i has the prefix E, which makes backslashes escape.
func escapesBefore(s string, i int) bool {
	return i > 0 && (s[i-1] == 'e' || s[i-1] == 'E') && (i == 1 || !isWord(s[i-2]))
}

func lineEnd(s string, i int) int {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(s)
}

// commentEnd follows nested comments, as PostgreSQL does.
func commentEnd(s string, i int) int {
	depth := 0
	for i < len(s) {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// literalEnd returns where the quoted text that begins at i ends; a doubled quote does not end it.
func literalEnd(s string, i int, escaped bool) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == '\\' && escaped:
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// dollarEnd returns where a dollar-quoted text ends, or the end of a parameter such as $1.
func dollarEnd(s string, i int) int {
	end := i + 1
	for end < len(s) && isWord(s[end]) {
		end++
	}
	if end == len(s) || s[end] != '$' || (s[i+1] >= '0' && s[i+1] <= '9') {
		return end
	}
	tag := s[i : end+1]
	if n := strings.Index(s[end+1:], tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(s)
}

// bodyFacts is what the words of a body say.
type bodyFacts struct {
	setsState bool
	unlisted  bool                // see effect
	writes    bool                // may change tables; only asked for trigger functions, as others are judged by their label
	words     map[string]struct{} // that may be the names of functions
}

// writingWords are the commands that change data, or that may carry out one that does.
var writingWords = wordSet(`insert update delete merge truncate copy execute call create alter drop refresh grant revoke
	import reassign comment security reindex cluster`)

// sessionCommands change what belongs to the session when a statement begins with them, and listedCommands what the server
// lists of it.
var (
	sessionCommands = wordSet(`set reset load discard`)
	listedCommands  = wordSet(`listen unlisten prepare deallocate`)
)

// keywords are the words so frequent in bodies that it pays not to look them up as functions.
var keywords = wordSet(`select from where and or not as is null in on by if then else elsif end begin return declare
	loop for new old order group limit values true false case when with join left inner`)

func readBody(body string) bodyFacts {
	words := bodyWords(body)
	f := bodyFacts{words: make(map[string]struct{}, len(words)/2)}
	for i, w := range words {
		if keywords[w.text] {
			continue
		}
		f.writes = f.writes || writingWords[w.text]
		sets, unlisted := setsSessionState(words, i)
		f.setsState, f.unlisted = f.setsState || sets, f.unlisted || unlisted
		if b, ok := builtinInBody(w.text); ok {
			f.writes = f.writes || b.writes
			f.setsState = f.setsState || b.setsState || b.pins != ""
			f.unlisted = f.unlisted || b.unlisted || b.pins != "" && b.pins != pinAdvisoryLock
		}
		f.words[w.text] = struct{}{}
	}
	return f
}

// builtinInBody knows those of PostgreSQL's functions that matter whatever a body calls them with.
func builtinInBody(name string) (effect, bool) {
	if !setsSession[name] && !runsQuery[name] && pinOf(name) == "" {
		return effect{}, false
	}
	return builtin(name, Volatile), true
}

// setsSessionState says whether the word at i does, and whether that is more than what the server lists.
func setsSessionState(words []word, i int) (sets, unlisted bool) {
	w := words[i]
	switch {
	case w.text == "execute": // dynamic SQL may be anything
		return true, true
	case w.text == pgTemp, w.start && listedCommands[w.text]:
		return true, false
	case w.start && w.text == "set":
		sets = i+1 == len(words) || words[i+1].text != "local" // which ends with the transaction
		return sets, sets
	case w.start && sessionCommands[w.text]:
		return true, true
	case w.text == "create" || w.text == "into":
		return temporaryFollows(words[i+1:]), false
	}
	return false, false
}

func temporaryFollows(words []word) bool {
	for _, w := range words {
		switch w.text {
		case "temp", "temporary":
			return true
		case "or", "replace", "local", "global":
		default:
			return false
		}
	}
	return false
}
