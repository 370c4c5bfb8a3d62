package backend

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPreparedEvictsLeastRecentlyUsed(t *testing.T) {
	p := NewPrepared(2)
	p.Add(1, "a")
	p.Add(2, "b")
	name, ok := p.Name(1)
	assert.True(t, ok)
	assert.Equal(t, "a", name)
	evicted, full := p.Add(3, "c")
	assert.True(t, full)
	assert.Equal(t, "b", evicted)
	_, ok = p.Name(2)
	assert.False(t, ok)
	assert.Equal(t, 2, p.Len())
	p.Forget(1)
	p.Forget(99)
	assert.Equal(t, 1, p.Len())
	name, ok = p.Evict()
	assert.True(t, ok)
	assert.Equal(t, "c", name)
	_, ok = p.Evict()
	assert.False(t, ok)
}

func TestPreparedClear(t *testing.T) {
	p := NewPrepared(0)
	p.Add(1, "a")
	p.Add(1, "b")
	name, _ := p.Name(1)
	assert.Equal(t, "b", name)
	p.Clear()
	assert.Zero(t, p.Len())
	p.Add(2, "c")
	assert.Equal(t, 1, p.Len())
}

// TestPreparedAgainstModel compares with a slice kept in order of use.
func TestPreparedAgainstModel(t *testing.T) {
	const limit = 8
	p := NewPrepared(limit)
	var model []uint64 // most recently used first
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		id := uint64(rnd.IntN(20))
		at := slices.Index(model, id)
		if rnd.IntN(10) == 0 {
			p.Forget(id)
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
			continue
		}
		name, ok := p.Name(id)
		require.Equal(t, at >= 0, ok)
		if ok {
			require.Equal(t, fmt.Sprint(id), name)
			model = slices.Insert(slices.Delete(model, at, at+1), 0, id)
			continue
		}
		evicted, full := p.Add(id, fmt.Sprint(id))
		require.Equal(t, len(model) == limit, full)
		if full {
			require.Equal(t, fmt.Sprint(model[limit-1]), evicted)
			model = model[:limit-1]
		}
		model = slices.Insert(model, 0, id)
		require.Equal(t, len(model), p.Len())
	}
}

func TestPreparedAllocatesNothingInSteadyState(t *testing.T) {
	p := NewPrepared(4)
	id := uint64(0)
	for ; id < 8; id++ {
		p.Add(id, "n")
	}
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		p.Add(id, "n")
		p.Name(id)
		id++
	}))
}

func TestStatus(t *testing.T) {
	var s Status
	assert.True(t, s.Set([]byte("TimeZone"), []byte("UTC")))
	assert.True(t, s.Set([]byte("DateStyle"), []byte("ISO, MDY")))
	assert.False(t, s.Set([]byte("TimeZone"), []byte("UTC")))
	assert.True(t, s.Set([]byte("TimeZone"), []byte("Asia/Tokyo")))
	var seen []string
	s.Each(func(name, value string) { seen = append(seen, name+"="+value) })
	assert.Equal(t, []string{"TimeZone=Asia/Tokyo", "DateStyle=ISO, MDY"}, seen)
	v, ok := s.Get("TimeZone")
	assert.True(t, ok)
	assert.Equal(t, "Asia/Tokyo", v)
	_, ok = s.Get("timezone")
	assert.False(t, ok)
	assert.Equal(t, 2, s.Len())
}

func TestWhatIsNotedBelongsToTheCopy(t *testing.T) {
	p := NewPrepared(1)
	assert.Nil(t, p.Copy(7))
	p.Add(7, "a")
	p.Copy(7).Mark, p.Copy(7).Shape = 3, &Shape{}
	assert.Equal(t, Copy{Name: "a", Mark: 3, Shape: &Shape{}}, *p.Copy(7))
	p.Add(8, "b") // evicts 7 and reuses its place
	assert.Equal(t, Copy{Name: "b"}, *p.Copy(8))
	assert.Nil(t, p.Copy(7))
	p.Copy(8).Mark = 4
	p.Add(8, "c")
	assert.Equal(t, Copy{Name: "c"}, *p.Copy(8), "another copy under another name")
}
