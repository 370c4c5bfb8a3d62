package backend

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEqualSettingsAreOnePointer(t *testing.T) {
	a := Empty.With("work_mem", "4MB").With("TimeZone", "UTC")
	b := Empty.With("timezone", "UTC").With("WORK_MEM", "1MB").With("Work_Mem", "4MB")
	assert.Same(t, a, b)
	assert.Same(t, Empty, a.Without("TIMEZONE").Without("work_mem"))
	assert.Same(t, a, a.With("work_mem", "4MB"))
	assert.Same(t, a, a.Without("search_path"))
	assert.NotSame(t, a, a.With("work_mem", "5MB"))
}

func TestSettingsAreImmutable(t *testing.T) {
	a := Empty.With("b", "1").With("c", "2")
	_ = a.With("a", "0").With("b", "9").Without("c")
	var seen []string
	a.Each(func(name, value string) { seen = append(seen, name+"="+value) })
	assert.Equal(t, []string{"b=1", "c=2"}, seen)
	assert.Equal(t, 2, a.Len())
	v, ok := a.Get("B")
	assert.True(t, ok)
	assert.Equal(t, "1", v)
	_, ok = a.Get("a")
	assert.False(t, ok)
}

func TestSettingsFoldOnlyASCII(t *testing.T) {
	s := Empty.With("my.ÄB", "1")
	_, ok := s.Get("MY.Äb")
	assert.True(t, ok)
	_, ok = s.Get("my.äb")
	assert.False(t, ok)
}

func TestDigestsKeepBoundaries(t *testing.T) {
	sets := []*Settings{
		Empty, Empty.With("a", "bc"), Empty.With("ab", "c"), Empty.With("a", ""), Empty.With("a", "b").With("c", "d"),
		Empty.With("a", "\x01b\x01c"),
	}
	seen := map[string]bool{}
	for _, s := range sets {
		assert.Len(t, s.Digest(), 32)
		seen[string(s.Digest())] = true
	}
	assert.Len(t, seen, len(sets))
}

func TestSettingsNobodyHoldsAreForgotten(t *testing.T) {
	before := sets.len()
	for i := range 1000 {
		_ = Empty.With("forgotten.setting", strconv.Itoa(i))
	}
	kept := Empty.With("kept.setting", "1")
	eventually(t, func() bool {
		runtime.GC()
		return sets.len() <= before+1
	}, "sets are held weakly")
	require.Same(t, kept, Empty.With("kept.setting", "1"))
}

func BenchmarkSettingsGet(b *testing.B) {
	s := Empty.With("timezone", "UTC").With("work_mem", "4MB").With("search_path", "a")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Get("search_path"); !ok {
			b.Fatal("lost")
		}
	}
}
