package configsize

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseAndString(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "17B": 17, "8kB": 8 * KiB, "8KiB": 8 * KiB, "3 MiB": 3 * MiB, "3MB": 3 * MiB, "2GiB": 2 * GiB, "2GB": 2 * GiB,
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		again, err := Parse(got.String())
		require.NoError(t, err)
		assert.Equal(t, want, again, "%s is written %s", text, got)
	}
	assert.Equal(t, "256MiB", (256 * MiB).String())
	assert.Equal(t, "1025", Size(1025).String())
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "MiB", "-1", "1.5GiB", "5 apples", "5TB", "99999999999GiB", "9223372036854775808"} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, "is not a size; write a whole number with a unit", text)
	}
}
