package store

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testLimit = 1 << 20

func sample(rows string) *record {
	now := time.Unix(1_700_000_000, 5)
	r := &record{entry: *result(rows), tables: tables(1, 9), tokens: []token{1, 2, 3, 4}, expires: now.Add(time.Minute)}
	r.entry.Created = now
	r.entry.ParameterDescription = []byte("t..")
	return r
}

func TestEncodeDecode(t *testing.T) {
	for name, rows := range map[string]string{"empty": "", "short": "rows", "long": strings.Repeat("compressible ", 4000)} {
		t.Run(name, func(t *testing.T) {
			want := sample(rows)
			if rows == "" {
				want.entry.Rows = nil
			}
			data := encode(key1, want, testLimit)
			require.NotNil(t, data)
			if len(rows) > compressFrom {
				assert.Less(t, len(data), len(rows)/4)
			}
			got, err := decode(data, key1, testLimit)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	assert.Nil(t, encode(key1, sample(strings.Repeat("x", 2000)), 1000))
}

func TestEveryDamageIsNoticed(t *testing.T) {
	for _, rows := range []string{"rows", strings.Repeat("compressible ", 1000)} {
		data := encode(key1, sample(rows), testLimit)
		for i := range data {
			damaged := append([]byte(nil), data...)
			damaged[i] ^= 0x41
			_, err := decode(damaged, key1, testLimit)
			require.ErrorIs(t, err, errRubbish, "byte %d", i)
			_, err = decode(data[:i], key1, testLimit)
			require.ErrorIs(t, err, errRubbish, "cut at %d", i)
		}
		_, err := decode(append(data[:len(data):len(data)], 0), key1, testLimit)
		require.ErrorIs(t, err, errRubbish)
		_, err = decode(data, key2, testLimit)
		require.ErrorIs(t, err, errRubbish, "another key")
		_, err = decode(data, key1, 100)
		require.ErrorIs(t, err, errRubbish, "longer than a result may be")
	}
}

// FuzzDecodeEntry repairs the checksum of what it is given, so that the fuzzer gets past it.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(encode(key1, sample("rows"), testLimit))
	f.Add(encode(key1, sample(strings.Repeat("compressible ", 1000)), testLimit))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= headSize {
			data = append([]byte(nil), data...)
			binary.BigEndian.PutUint64(data[len(magic)+2:], xxhash.Sum64(data[headSize:]))
		}
		r, err := decode(data, key1, testLimit)
		if err != nil {
			require.ErrorIs(t, err, errRubbish)
			return
		}
		again, err := decode(encode(key1, r, testLimit), key1, testLimit)
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func TestMessage(t *testing.T) {
	sent := []cachepolicy.Table{{Database: "shop", Rel: 4}, {Database: "a:b"}, cachepolicy.Everything}
	data := appendMessage(nil, "me", sent)
	sender, got, ok := readMessage(data)
	require.True(t, ok)
	assert.Equal(t, "me", sender)
	assert.Equal(t, sent, got)
	for i := range data {
		_, _, ok := readMessage(data[:i])
		assert.False(t, ok)
	}
}
