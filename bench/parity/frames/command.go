package frames

import (
	"fmt"
	"strconv"
	"strings"
)

// Command is one message, or whatever else a script's line has a verb for.
type Command struct {
	Verb string
	Args []string
}

// C makes a command.
func C(verb string, args ...string) Command { return Command{Verb: verb, Args: args} }

// String is the command as Parse reads it.
func (c Command) String() string {
	var b strings.Builder
	b.WriteString(c.Verb)
	for i, a := range c.Args {
		b.WriteByte(' ')
		switch {
		case c.Verb == "Repeat" && i == 1, plain(a):
			b.WriteString(a)
		default:
			b.WriteString(quoted(a))
		}
	}
	return b.String()
}

// plain texts need no quotes: numbers, and what describes a Bind.
func plain(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// quoted shortens long runs of the letter x to ~N.
func quoted(s string) string {
	const long = 100
	from := strings.Index(s, strings.Repeat("x", long))
	if from < 0 {
		return strconv.Quote(s)
	}
	to := from
	for to < len(s) && s[to] == 'x' {
		to++
	}
	out := "~" + strconv.Itoa(to-from)
	if from > 0 {
		out = strconv.Quote(s[:from]) + "+" + out
	}
	if to < len(s) {
		out += "+" + quoted(s[to:])
	}
	return out
}

// Parse reads the commands of one line.
func Parse(text string) ([]Command, error) {
	var out []Command
	var words []string
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] == ';' {
			if len(words) == 0 {
				return nil, fmt.Errorf("a verb is missing before %q", rest)
			}
			out = append(out, Command{Verb: words[0], Args: words[1:]})
			words, rest = nil, rest[1:]
			continue
		}
		word, after, err := parseWord(rest)
		if err != nil {
			return nil, err
		}
		words, rest = append(words, word), after
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("a verb is missing at the end of %q", text)
	}
	return append(out, Command{Verb: words[0], Args: words[1:]}), nil
}

// parseWord takes one argument off the front, with its texts joined.
func parseWord(s string) (word, rest string, err error) {
	var b strings.Builder
	for s != "" && s[0] != ' ' && s[0] != ';' {
		switch s[0] {
		case '"':
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return "", "", fmt.Errorf("%w: %s", err, s)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return "", "", fmt.Errorf("%w: %s", err, s)
			}
			b.WriteString(text)
			s = s[len(quoted):]
		case '~', '$':
			end := 1
			for end < len(s) && s[end] >= '0' && s[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(s[1:end])
			if err != nil {
				return "", "", fmt.Errorf("%w: %s", err, s)
			}
			b.WriteString(expand(s[0], n))
			s = s[end:]
		case '+':
			s = s[1:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String(), s, nil
}

func expand(kind byte, n int) string {
	if kind == '~' {
		return strings.Repeat("x", n)
	}
	list := make([]string, n)
	for i := range list {
		list[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(list, ",")
}

// Number reads a number of a script; what is missing is 0.
func Number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
