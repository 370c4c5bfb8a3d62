package configs

import (
	"reflect"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/configs/configsize"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample has one field of every form that the decoder knows, so that these tests do not depend on any room.
type sample struct {
	Name   string            `yaml:"name"`
	Count  int               `yaml:"count"`
	Ratio  float64           `yaml:"ratio"`
	On     bool              `yaml:"on"`
	Wait   time.Duration     `yaml:"wait"`
	Size   configsize.Size   `yaml:"size"`
	List   []string          `yaml:"list"`
	Maybe  *time.Duration    `yaml:"maybe"`
	Nested nested            `yaml:"nested"`
	Items  []nested          `yaml:"items"`
	Named  map[string]nested `yaml:"named"`
	Words  map[string]string `yaml:"words"`
	First  shared            `yaml:",inline"`
	Second shared            `yaml:",inline"`
}

type nested struct {
	Limit int           `yaml:"limit"`
	Pause time.Duration `yaml:"pause"`
}

type shared struct {
	Both time.Duration `yaml:"both"`
}

func decodeSample(t *testing.T, text string, into *sample) Problems {
	t.Helper()
	env := map[string]string{"WORD": "a: {b", "EMPTY": "", "N": "7"}
	d := newDecoder("f.yml", []byte(text), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	d.document([]byte(text), reflect.ValueOf(into).Elem())
	return d.sorted()
}

func TestDecodeEveryForm(t *testing.T) {
	s := sample{Named: map[string]nested{"kept": {Limit: 1}, "merged": {Limit: 2, Pause: time.Second}}, Count: 9}
	before := s.Named
	problems := decodeSample(t, `
name: "${WORD}${EMPTY}"
count: ${N}
ratio: 0.5
on: yes
wait: 1m30s
size: 2MiB
list: one
maybe: 2d
nested: {limit: 3, pause: 5ms}
items: [{limit: 4}, {pause: 1s}]
named:
  merged: {limit: 5}
  new: {pause: 3s}
words: {a: 010, b: off, c: "$${X} $ $$"}
both: 4s
`, &s)
	require.Empty(t, problems)
	days := 48 * time.Hour
	assert.Equal(t, sample{
		Name: "a: {b", Count: 7, Ratio: 0.5, On: true, Wait: 90 * time.Second, Size: 2 * configsize.MiB, List: []string{"one"},
		Maybe: &days, Nested: nested{3, 5 * time.Millisecond}, Items: []nested{{Limit: 4}, {Pause: time.Second}},
		Named: map[string]nested{"kept": {Limit: 1}, "merged": {5, time.Second}, "new": {Pause: 3 * time.Second}},
		Words: map[string]string{"a": "010", "b": "off", "c": "${X} $ $$"},
		First: shared{4 * time.Second}, Second: shared{4 * time.Second},
	}, s)
	assert.Equal(t, nested{2, time.Second}, before["merged"], "the map of the defaults is not written to")
}

func TestDecodeKeepsWhatIsNotWritten(t *testing.T) {
	s := sample{Count: 9, Named: map[string]nested{"a": {Limit: 1}}}
	require.Empty(t, decodeSample(t, "# nothing\n", &s))
	require.Empty(t, decodeSample(t, "named:\n  # a: {}\nitems:\n", &s))
	assert.Equal(t, sample{Count: 9, Named: map[string]nested{"a": {Limit: 1}}}, s)
}

func TestDecodeAnchors(t *testing.T) {
	var s sample
	require.Empty(t, decodeSample(t, "nested: &n {limit: 3}\nitems: [*n, *n]\n", &s))
	assert.Equal(t, []nested{{Limit: 3}, {Limit: 3}}, s.Items)
}

func TestDecodeProblems(t *testing.T) {
	for text, want := range map[string]string{
		"counts: 1":               "f.yml:1:1: unknown key \"counts\"; did you mean count?\n     1 | counts: 1\n       | ^",
		"nested:\n  limt: 1":      "f.yml:2:3: unknown key \"limt\" in nested; did you mean limit?\n     2 |   limt: 1\n       |   ^",
		"named: {a: {x: 1}}":      `f.yml:1:13: unknown key "x" in named.a; known here: limit, pause`,
		"wait: 5":                 "f.yml:1:7: wait: 5 has no unit; write 5s for seconds or 5ms for milliseconds",
		"wait: soon":              `f.yml:1:7: wait: "soon" is not a duration; write a number with a unit, such as 20ms, 5s, 10m, 1h or 7d`,
		"wait: -5s":               "f.yml:1:7: wait: -5s is negative; write 0s or more",
		"count: many":             `f.yml:1:8: count: "many" is not a whole number; write one such as 20`,
		"count: 1.5":              `f.yml:1:8: count: "1.5" is not a whole number; write one such as 20`,
		"count:":                  "f.yml:1:1: count has no value; write one, or leave the key out for its default",
		"count: [1]":              "f.yml:1:8: count takes one value, not a list or a mapping",
		"on: maybe":               `f.yml:1:5: on: "maybe" is not a truth value; write true or false`,
		"size: 5 apples":          `f.yml:1:7: size: "5 apples" is not a size; write a whole number with a unit, such as 512KiB, 256MiB or 1GiB`,
		"nested: 5":               "f.yml:1:9: nested takes keys; write them indented below it, as in `key: value`",
		"items: {limit: 1}":       "items is a list; write every item on a line of its own that begins with `- `",
		"both: 5":                 "f.yml:1:7: both: 5 has no unit",
		"name: ${NO_SUCH}":        "f.yml:1:7: name: environment variable NO_SUCH is not set; set it, or write $${NO_SUCH} for the literal text",
		"name: ${a-b}":            `f.yml:1:7: name: "${a-b}" is not a variable`,
		"count: 1\ncount: 2":      "f.yml:2:1: mapping key \"count\" already defined at [1:1]",
		"name: 'x":                "f.yml:1:7: could not find end character of single-quoted text",
		"- a":                     "f.yml:1:1: the configuration takes keys",
		"name: !!binary aa":       "tags such as !!binary are not supported",
		"name: *gone":             "f.yml:1:8: no anchor &gone before this place",
		"<<: {count: 1}":          "merge keys (<<) are not supported; write the keys out",
		"count: 1\n---\ncount: 2": "f.yml:3:1: a second YAML document; write one configuration per file",
		"{pasword: geheim}":       `f.yml:1:2: unknown key "pasword"`,
	} {
		var s sample
		problems := decodeSample(t, text, &s)
		if assert.Len(t, problems, 1, text) {
			assert.Contains(t, problems.Error(), want, text)
			assert.NotContains(t, problems.Error(), "geheim")
		}
	}
}

func TestDecodeReportsAllProblemsInOrder(t *testing.T) {
	var s sample
	problems := decodeSample(t, "wait: 5\nnme: x\ncount: y\n", &s)
	require.Len(t, problems, 3)
	assert.Equal(t, []int{1, 2, 3}, []int{problems[0].Line, problems[1].Line, problems[2].Line})
}

func TestSuggest(t *testing.T) {
	known := []string{"max_connections", "min_connections", "idle_timeout"}
	assert.Equal(t, "max_connections", suggest("max_conections", known))
	assert.Equal(t, "max_connections", suggest("MAX_CONNECTIONS", known))
	assert.Equal(t, "idle_timeout", suggest("idle_timout", known))
	assert.Empty(t, suggest("colour", known))
}
