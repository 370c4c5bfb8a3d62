package configs

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Load reads the file at path over the defaults, lets override have the last word (the command line), and validates.
// Without a path there is only the rest. An error about what is written is of type Problems.
func Load(path string, override ...func(*Config)) (*Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil { //nolint:gosec // reading the file that the operator names is the purpose
			return nil, err
		}
	}
	c, err := LoadBytes(path, text, override...)
	if err != nil {
		return nil, err
	}
	c.path, c.override = path, override
	c.resolvePaths(filepath.Dir(path))
	return c, nil
}

// Reload reads the file that c came from once more, under the same command line.
func (c *Config) Reload() (*Config, error) { return Load(c.path, c.override...) }

// LoadBytes is Load for a text in memory; name stands for the file in errors, and relative paths stay as they are.
func LoadBytes(name string, text []byte, override ...func(*Config)) (*Config, error) {
	c := Default()
	d := newDecoder(cmp.Or(name, "command line"), text, os.LookupEnv)
	d.document(text, reflect.ValueOf(&c).Elem())
	for _, o := range override {
		o(&c)
	}
	if c.Proxy.Control.Password == "" {
		c.Proxy.Control.Password = os.Getenv(ControlPasswordVariable)
	}
	if len(d.problems) == 0 {
		d.complain(c.Validate())
	}
	if len(d.problems) > 0 {
		return nil, d.sorted()
	}
	return &c, nil
}

func newDecoder(name string, text []byte, lookup func(string) (string, bool)) *decoder {
	return &decoder{
		report: newReport(name, text), lookup: lookup,
		keys: map[string]*token.Token{}, anchors: map[string]ast.Node{},
	}
}

// document decodes the one document of text into the struct v.
func (d *decoder) document(text []byte, v reflect.Value) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err)
		return
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0: // nothing but comments: the defaults
	case 1:
		d.node(bodies[0], v, "")
	default:
		d.at(place(bodies[1]), "a second YAML document; write one configuration per file")
	}
}

// syntax reports what the YAML parser did not like.
func (d *decoder) syntax(err error) {
	if located, ok := errors.AsType[yaml.Error](err); ok {
		d.at(located.GetToken(), "%s", located.GetMessage())
		return
	}
	d.at(nil, "%s", err)
}

// complain places what Validate says: every line of it at the most specific key of the file that it names.
func (d *decoder) complain(err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimRight(line, "\n")
		d.at(d.named(line), "%s", line)
	}
}

// named finds the key that a message is about. Validate's messages begin with the path of a key; the longest one that was
// written wins.
func (d *decoder) named(message string) *token.Token {
	best := ""
	for path := range d.keys {
		rest, ok := strings.CutPrefix(message, path)
		if ok && len(path) > len(best) && (rest == "" || strings.ContainsRune(".: [", rune(rest[0]))) {
			best = path
		}
	}
	return d.keys[best]
}

// sorted returns the problems in the order of the file.
func (d *decoder) sorted() Problems {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return d.problems
}
