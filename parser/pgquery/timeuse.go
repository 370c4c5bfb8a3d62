package pgquery

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/aioproxy/aioproxy/parser"
)

// usesTime notes that the time matters at this place.
func (w *walker) usesTime() {
	use := parser.TimeInOutput
	if w.condition {
		use = parser.TimeInCondition
	}
	w.st.Time = max(w.st.Time, use)
}

// typeCast finds 'now'::timestamptz and date 'today', in whatever company the word is: '[now,)'::tstzrange.
func (w *walker) typeCast(c *pg.TypeCast) {
	if text := c.GetArg().GetAConst().GetSval().GetSval(); text != "" && isTimeType(c.GetTypeName()) && hasTimeWord(text) {
		w.usesTime()
	}
	w.walk(c.GetArg())
	w.children(c.GetTypeName().ProtoReflect())
}

func isTimeType(t *pg.TypeName) bool {
	switch lastTwo(t.GetNames()).Name {
	case "date", "time", "timetz", "timestamp", "timestamptz", "tsrange", "tstzrange", "daterange",
		"tsmultirange", "tstzmultirange", "datemultirange":
		return true
	}
	return false
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

func hasTimeWord(s string) bool {
	for _, word := range words(s) {
		switch strings.ToLower(word) {
		case "now", "today", "tomorrow", "yesterday":
			return true
		}
	}
	return false
}

// looksLikeTime reports whether a string without a cast may become a time by being compared with one: it has such a word
// and nothing but what PostgreSQL's date input takes beside it. A text that happens to say "today" is taken for it too.
func looksLikeTime(s string) bool {
	if len(s) > 64 || !hasTimeWord(s) {
		return false
	}
	for _, word := range words(s) {
		switch strings.ToLower(word) {
		case "now", "today", "tomorrow", "yesterday", "infinity", "am", "pm", "utc", "gmt", "z", "allballs":
		default:
			if len(word) > 5 || strings.ToUpper(word) != word {
				return false
			}
		}
	}
	return true
}
