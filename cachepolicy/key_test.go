package cachepolicy_test

import (
	"math/rand/v2"
	"testing"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cacheable() cachepolicy.Input {
	return cachepolicy.Input{
		Facts:    &parser.Facts{Fingerprint: 7, Statements: []parser.Statement{{Kind: parser.Select}}},
		Names:    &catalog.Resolution{Reads: []catalog.RelID{1, 2}},
		Policy:   cachepolicy.ClassPolicy{Cache: true},
		Text:     []byte("SELECT * FROM t"),
		Database: "db",
		User:     "alice",
		Settings: []byte("digest"),
	}
}

func keyOf(t *testing.T, in cachepolicy.Input) cachepolicy.Key {
	t.Helper()
	v := cachepolicy.New(cachepolicy.DefaultConfig()).Judge(in)
	require.Equal(t, cachepolicy.Use, v.Mode, v.Reason.String())
	return v.Key
}

func TestKeyDiffersForEveryComponent(t *testing.T) {
	changes := map[string]func(*cachepolicy.Input){
		"nothing":       func(*cachepolicy.Input) {},
		"fingerprint":   func(in *cachepolicy.Input) { f := *in.Facts; f.Fingerprint = 8; in.Facts = &f },
		"text":          func(in *cachepolicy.Input) { in.Text = []byte("SELECT * FROM t ") },
		"database":      func(in *cachepolicy.Input) { in.Database = "dba" },
		"user":          func(in *cachepolicy.Input) { in.User = "bob" },
		"shifted":       func(in *cachepolicy.Input) { in.Database, in.User = "dba", "lice" },
		"settings":      func(in *cachepolicy.Input) { in.Settings = []byte("digesu") },
		"param types":   func(in *cachepolicy.Input) { in.ParamTypes = []byte{0, 1, 0, 0, 0, 23} },
		"params":        func(in *cachepolicy.Input) { in.Params = bindParams("1") },
		"other params":  func(in *cachepolicy.Input) { in.Params = bindParams("2") },
		"empty param":   func(in *cachepolicy.Input) { in.Params = bindParams("") },
		"null param":    func(in *cachepolicy.Input) { in.Params = bindParams() },
		"binary":        func(in *cachepolicy.Input) { in.ResultFormats = []byte{0, 1, 0, 1} },
		"mixed":         func(in *cachepolicy.Input) { in.ResultFormats = []byte{0, 2, 0, 0, 0, 1} },
		"mixed other":   func(in *cachepolicy.Input) { in.ResultFormats = []byte{0, 2, 0, 1, 0, 0} },
		"text for each": func(in *cachepolicy.Input) { in.ResultFormats = []byte{0, 2, 0, 0, 0, 0} }, // PostgreSQL counts the columns
	}
	seen := make(map[cachepolicy.Key]string)
	for name, change := range changes {
		in := cacheable()
		change(&in)
		key := keyOf(t, in)
		assert.Empty(t, seen[key], "%s has the key of another", name)
		seen[key] = name
	}
}

func TestKeyIsEqualForEqualResults(t *testing.T) {
	want := keyOf(t, cacheable())
	for name, change := range map[string]func(*cachepolicy.Input){
		"simple protocol":     func(in *cachepolicy.Input) { in.Simple = true },
		"policy":              func(in *cachepolicy.Input) { in.Policy.TTL = 1; in.On = true },
		"no parameter types":  func(in *cachepolicy.Input) { in.ParamTypes = []byte{0, 0} },
		"no parameters":       func(in *cachepolicy.Input) { in.Params = []byte{0, 0, 0, 0} },
		"no result formats":   func(in *cachepolicy.Input) { in.ResultFormats = []byte{0, 0} },
		"one format for all":  func(in *cachepolicy.Input) { in.ResultFormats = []byte{0, 1, 0, 0} },
		"empty, not nil":      func(in *cachepolicy.Input) { in.ResultFormats, in.Params = []byte{}, []byte{} },
		"facts by themselves": func(in *cachepolicy.Input) { f := *in.Facts; in.Facts = &f },
	} {
		in := cacheable()
		change(&in)
		assert.Equal(t, want, keyOf(t, in), name)
	}
}

// TestKeyTellsSplitsApart cuts random bytes into components at random places: the same bytes cut elsewhere are another key.
func TestKeyTellsSplitsApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		all := make([]byte, 1+rng.IntN(12))
		for i := range all {
			all[i] = byte('a' + rng.IntN(2))
		}
		a, b := split(rng, all), split(rng, all)
		ka, kb := keyOf(t, a), keyOf(t, b)
		same := a.Database == b.Database && a.User == b.User && string(a.Settings) == string(b.Settings) && string(a.Text) == string(b.Text)
		assert.Equal(t, same, ka == kb)
	}
}

func split(rng *rand.Rand, all []byte) cachepolicy.Input {
	in := cacheable()
	i := rng.IntN(len(all) + 1)
	j := i + rng.IntN(len(all)-i+1)
	k := j + rng.IntN(len(all)-j+1)
	in.Database, in.User, in.Settings, in.Text = string(all[:i]), string(all[i:j]), all[j:k], all[k:]
	return in
}

func FuzzParameters(f *testing.F) {
	f.Add(bindParams("now", "x"))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe})
	f.Fuzz(func(t *testing.T, params []byte) {
		in := cacheable()
		in.Params = params
		v := cachepolicy.New(cachepolicy.DefaultConfig()).Judge(in)
		if v.Mode == cachepolicy.Bypass && v.Reason != cachepolicy.TimeInParameter && v.Reason != cachepolicy.MalformedBind {
			t.Fatalf("reason %s", v.Reason)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	p, in := cachepolicy.New(cachepolicy.DefaultConfig()), cacheable()
	b.ReportAllocs()
	for b.Loop() {
		if v := p.Judge(in); v.Mode != cachepolicy.Use {
			b.Fatal(v.Reason)
		}
	}
}
