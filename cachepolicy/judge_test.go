package cachepolicy_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range readCases(t, "testdata/judge.txt") {
		t.Run(fmt.Sprintf("%d", c.line), func(t *testing.T) {
			cfg := cachepolicy.Config{DefaultTTL: 5 * time.Minute}
			in := cachepolicy.Input{
				Facts:    facts(t, c.fields["sql"]),
				Names:    resolution(t, c.fields["names"], &catalog.Resolution{Reads: []catalog.RelID{10}}),
				Policy:   cachepolicy.ClassPolicy{Cache: true},
				Text:     []byte(c.fields["sql"]),
				Database: "shop",
				User:     "alice",
			}
			changeInput(t, c.fields["input"], &in, &cfg)
			v := cachepolicy.New(cfg).Judge(in)
			got := fmt.Sprintf("%s %s", v.Mode, v.Reason)
			if v.Mode == cachepolicy.Use {
				got += " " + v.TTL.String()
				assert.NotZero(t, v.Key)
				assert.Equal(t, []cachepolicy.Table{{Database: "shop", Rel: 10}}, v.Tables)
			} else {
				assert.Equal(t, cachepolicy.Verdict{Reason: v.Reason}, v)
			}
			assert.Equal(t, c.fields["want"], got, c.fields["sql"])
			seen[v.Reason.String()] = true
		})
	}
	for r := range cachepolicy.NumReasons {
		assert.True(t, seen[cachepolicy.Reason(r).String()], "no case for %s", cachepolicy.Reason(r))
	}
}

func changeInput(t *testing.T, text string, in *cachepolicy.Input, cfg *cachepolicy.Config) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "class":
			in.Policy.Cache = value != "off"
		case "on":
			in.On = true
		case "off":
			in.Off = true
		case "ttl":
			in.Policy.TTL = duration(t, value)
		case "time_ttl":
			in.Policy.TimeTTL = duration(t, value)
		case "default_time_ttl":
			cfg.TimeTTL = duration(t, value)
		case "param":
			in.Params = bindParams(strings.ReplaceAll(value, "-", " "))
		case "params":
			b, err := hex.DecodeString(value)
			require.NoError(t, err)
			in.Params = b
		default:
			t.Fatalf("unknown word %q in input", word)
		}
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// bindParams writes text parameters as Bind does, with one NULL in front.
func bindParams(values ...string) []byte {
	b := []byte{0, 1, 0, 0} // one format for all: text
	b = binary.BigEndian.AppendUint16(b, uint16(len(values)+1))
	b = append(b, 0xff, 0xff, 0xff, 0xff)
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return b
}

func TestReasonsAreDistinct(t *testing.T) {
	labels, texts := make(map[string]bool), make(map[string]bool)
	for i := range cachepolicy.NumReasons {
		r := cachepolicy.Reason(i)
		assert.Regexp(t, `^[a-z_]+$`, r.String())
		assert.NotEmpty(t, r.Explain())
		labels[r.String()], texts[r.Explain()] = true, true
	}
	assert.Len(t, labels, cachepolicy.NumReasons)
	assert.Len(t, texts, cachepolicy.NumReasons)
	assert.Equal(t, "unknown", cachepolicy.Reason(200).String())
}

func TestInvalidates(t *testing.T) {
	want := map[string][]cachepolicy.Table{
		"nothing":    nil,
		"tables":     {{Database: "shop", Rel: 20}, {Database: "shop", Rel: 21}},
		"database":   {{Database: "shop"}},
		"everything": {cachepolicy.Everything},
	}
	p := cachepolicy.New(cachepolicy.DefaultConfig())
	for _, c := range readCases(t, "testdata/invalidates.txt") {
		t.Run(fmt.Sprintf("%d", c.line), func(t *testing.T) {
			expected, ok := want[c.fields["want"]]
			require.True(t, ok, c.fields["want"])
			base := &catalog.Resolution{Writes: []catalog.RelID{20, 21}}
			if strings.Contains(c.fields["names"], "reads=") || strings.Contains(c.fields["names"], "function=") {
				base.Writes = nil
			}
			n := resolution(t, c.fields["names"], base)
			assert.Equal(t, expected, p.Invalidates(facts(t, c.fields["sql"]), n, "shop"), c.fields["sql"])
		})
	}
	assert.Equal(t, want["everything"], p.Invalidates(nil, nil, "shop"))
}

func TestConfig(t *testing.T) {
	require.NoError(t, cachepolicy.DefaultConfig().Validate())
	assert.ErrorContains(t, cachepolicy.Config{}.Validate(), "cache.default_ttl")
	assert.ErrorContains(t, cachepolicy.Config{DefaultTTL: 1, TimeTTL: -1}.Validate(), "cache.time_ttl")
}
