package parser

import (
	"bytes"
	"strings"
)

const hintName = "aioproxy:"

// hintBody returns what stands behind "aioproxy:" in a comment /* ... */, or nil if it is another comment.
func hintBody(comment []byte) []byte {
	body := bytes.TrimLeft(comment[2:len(comment)-2], " \t\r\n\f")
	if len(body) < len(hintName) || !bytes.EqualFold(body[:len(hintName)], []byte(hintName)) {
		return nil
	}
	return body[len(hintName):]
}

// FindHints returns what the comments /* aioproxy: key=value, ... */ of a text ask for, or nil. Of several values for one
// key the last one counts.
func FindHints(sql []byte) *Hints {
	if !bytes.Contains(sql, []byte("/*")) {
		return nil
	}
	var h *Hints
	l := lexer{s: sql}
	for t := l.next(); t.kind != tokEnd; t = l.next() {
		if t.kind != tokHint {
			continue
		}
		if h == nil {
			h = &Hints{}
		}
		h.read(string(hintBody(sql[t.start:t.end])))
	}
	return h
}

func (h *Hints) read(body string) {
	for part := range strings.SplitSeq(body, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.ToLower(strings.TrimSpace(value))
		if !h.set(key, value) {
			h.Unknown = append(h.Unknown, strings.ToValidUTF8(part, "?"))
		}
	}
}

// set keeps a known value and reports whether it is one.
func (h *Hints) set(key, value string) bool {
	var field *string
	var allowed []string
	switch key {
	case "route":
		field, allowed = &h.Route, []string{"primary", "replica"}
	case "cache":
		field, allowed = &h.Cache, []string{"on", "off"}
	case "consistency":
		field, allowed = &h.Consistency, []string{"global", "session", "eventual"}
	case "class":
		if value != "" {
			h.Class = value
		}
		return value != ""
	default:
		return false
	}
	for _, a := range allowed {
		if a == value {
			*field = value
			return true
		}
	}
	return false
}
