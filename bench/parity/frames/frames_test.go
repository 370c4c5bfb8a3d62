package frames

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommandsAreReadAsTheyAreWritten(t *testing.T) {
	long := C("Query", "SELECT '"+strings.Repeat("x", 150)+"', \"é\"\n")
	list := []Command{
		long, C("Parse", "", "SELECT $1; SELECT ';'"), C("Bind", "", "p", "NULL", "rf=1", "3*a"), C("Execute", "", "0"), C("Sync"),
	}
	var texts []string
	for _, c := range list {
		texts = append(texts, c.String())
	}
	assert.Contains(t, texts[0], "~150")
	got, err := Parse(strings.Join(texts, " ; "))
	require.NoError(t, err)
	require.Len(t, got, len(list))
	for i := range list {
		want, err := list[i].Append(nil)
		require.NoError(t, err)
		have, err := got[i].Append(nil)
		require.NoError(t, err)
		assert.Equal(t, want, have, texts[i])
	}
}

func TestWrongLines(t *testing.T) {
	for _, line := range []string{"", "; Sync", "Query \"open", "Query ~"} {
		_, err := Parse(line)
		assert.Error(t, err, line)
	}
	_, err := C("Quarry", "SELECT 1").Append(nil)
	assert.ErrorContains(t, err, "Quarry")
}

func TestRenderHidesWhatDiffers(t *testing.T) {
	column := func(table, typ byte) string {
		return "\x00\x01a\x00\x00\x00\x40" + string(table) + "\x00\x01\x00\x00\x40" + string(typ) + "\x00\x04\xff\xff\xff\xff\x00\x00"
	}
	assert.Equal(t, Render('T', []byte(column(1, 2)), false), Render('T', []byte(column(3, 4)), false), "oids of users")
	assert.Equal(t, Render('K', []byte("12345678"), false), Render('K', []byte("87654321"), false))
	assert.Equal(t, Render('A', []byte("1234c\x00p\x00"), false), Render('A', []byte("5678c\x00p\x00"), false))
	assert.NotEqual(t, Render('D', []byte("1"), false), Render('D', []byte("2"), false))
	one, two := []byte("SERROR\x00C42601\x00Mone\x00\x00"), []byte("SERROR\x00C42601\x00Mtwo\x00\x00")
	assert.NotEqual(t, Render('E', one, false), Render('E', two, false))
	assert.Equal(t, Render('E', one, true), Render('E', two, true))
	long := strings.Repeat("a", LongBody+1)
	assert.NotEqual(t, Render('D', []byte(long+"b"), false), Render('D', []byte(long+"c"), false))
}
