// Package pgquery reads SQL with PostgreSQL's own grammar (pg_query_go) and says what it found as parser.Facts. It is the
// only importer of pg_query_go and the only place that looks at a syntax tree.
package pgquery

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/aioproxy/aioproxy/parser"
)

// Analyzer implements parser.Analyzer. It is safe for concurrent use.
type Analyzer struct {
	// slots bounds the calls into C: each holds a thread, and thousands of sessions may ask at once.
	slots chan struct{}
}

var _ parser.Analyzer = (*Analyzer)(nil)

// New returns an Analyzer that parses as many texts at once as there are processors to do it, and a few more.
func New() *Analyzer {
	return &Analyzer{slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0)+2)}
}

// Analyze parses a text. What the grammar does not know, and what would be dangerous to parse, is a *parser.OpaqueError.
//
// Bytes that are not UTF-8 count as a character of an unknown name or literal: a client may use another encoding.
func (a *Analyzer) Analyze(sql string) (*parser.Facts, error) {
	text := []byte(sql)
	switch {
	case bytes.IndexByte(text, 0) >= 0:
		return nil, &parser.OpaqueError{Reason: parser.ReasonNUL}
	case parser.TooDeep(text):
		return nil, &parser.OpaqueError{Reason: parser.ReasonTooDeep}
	}
	if !utf8.ValidString(sql) {
		sql = strings.ToValidUTF8(sql, "\uFFFD")
	}
	tree, fingerprint, err := a.parse(sql)
	if err != nil {
		return nil, &parser.OpaqueError{Reason: parser.ReasonSyntax, Err: err}
	}
	return facts(tree, fingerprint, text)
}

// facts turns a tree into facts. Whatever a client sends, a tree of a form that we did not think of must not end the
// process: it is opaque, and PostgreSQL judges it.
func facts(tree *pg.ParseResult, fingerprint uint64, text []byte) (f *parser.Facts, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, &parser.OpaqueError{Reason: parser.ReasonInternal, Err: fmt.Errorf("analyze: %v", p)}
		}
	}()
	f = &parser.Facts{
		Fingerprint: fingerprint,
		Normalized:  strings.ToValidUTF8(string(parser.AppendNormalized(nil, text)), "\uFFFD"),
		Hints:       parser.FindHints(text),
	}
	for _, raw := range tree.GetStmts() {
		f.Statements = append(f.Statements, analyzeStatement(raw.GetStmt()))
	}
	if len(f.Statements) == 0 {
		f.Statements = []parser.Statement{{Kind: parser.Empty}}
	}
	return f, nil
}

func (a *Analyzer) parse(sql string) (tree *pg.ParseResult, fingerprint uint64, err error) {
	a.slots <- struct{}{}
	defer func() { <-a.slots }()
	tree, err = pg.Parse(sql)
	if err != nil {
		return nil, 0, fmt.Errorf("parse: %w", err)
	}
	fingerprint, err = pg.FingerprintToUInt64(sql)
	if err != nil {
		return nil, 0, fmt.Errorf("fingerprint: %w", err)
	}
	return tree, fingerprint, nil
}
