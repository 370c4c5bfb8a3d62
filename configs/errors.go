package configs

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Problem is one thing wrong with a configuration. Line and Column count from 1 and are 0 when it has no place in the text.
type Problem struct {
	File    string
	Line    int
	Column  int
	Message string
	Source  string // the line of the file, as written, so without the environment
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	text := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Source == "" {
		return text
	}
	source := secret.ReplaceAllString(p.Source, "$1***")
	text = fmt.Sprintf("%s\n%6d | %s", text, p.Line, source)
	if source != p.Source { // the column is another one now
		return text
	}
	return fmt.Sprintf("%s\n%6s | %*s", text, "", p.Column, "^")
}

// secret finds passwords in a line: an error may end up in a log.
var secret = regexp.MustCompile(`(?i)(pass?w[a-z]*["']?\s*:\s*)("[^"]*"|'[^']*'|[^\s,}#"'$][^,}#]*)`)

// Problems is everything wrong with one configuration, in the order of the file.
type Problems []Problem

func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i := range p {
		texts[i] = p[i].String()
	}
	return strings.Join(texts, "\n")
}

// report collects problems while one text is read.
type report struct {
	file     string
	lines    []string
	problems Problems
}

func newReport(file string, text []byte) *report {
	return &report{file: file, lines: strings.Split(string(text), "\n")}
}

// at adds a problem at a token; a nil token stands for the file as a whole.
func (r *report) at(tk *token.Token, format string, args ...any) {
	p := Problem{File: r.file, Message: fmt.Sprintf(format, args...)}
	if tk != nil && tk.Position != nil {
		p.Line, p.Column = tk.Position.Line, max(tk.Position.Column, 1)
		if p.Line >= 1 && p.Line <= len(r.lines) {
			p.Source = strings.TrimRight(strings.ReplaceAll(r.lines[p.Line-1], "\t", " "), "\r")
		}
	}
	r.problems = append(r.problems, p)
}
