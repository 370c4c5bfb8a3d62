package pgquery_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/pgquery"
)

var update = flag.Bool("update", false, "write what was found into testdata; read the difference before believing it")

// TestFacts reads testdata/*.txt: blocks of SQL, a line "=>", the facts that are not zero, an empty line.
func TestFacts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	a := pgquery.New()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			var found strings.Builder
			for block := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n\n") {
				sql, _, _ := strings.Cut(block, "\n=>")
				fmt.Fprintf(&found, "%s\n=>%s\n", sql, describe(a.Analyze(sql)))
			}
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(strings.TrimSpace(found.String())+"\n"), 0o600))
				return
			}
			require.Equal(t, strings.TrimSpace(string(content)), strings.TrimSpace(found.String()))
		})
	}
}

func describe(f *parser.Facts, err error) string {
	if opaque := (*parser.OpaqueError)(nil); errors.As(err, &opaque) {
		return " opaque: " + opaque.Reason + "\n"
	}
	if err != nil {
		return " error: " + err.Error() + "\n"
	}
	var b strings.Builder
	b.WriteByte('\n')
	for i := range f.Statements {
		describeStatement(&b, "", &f.Statements[i])
	}
	if h := f.Hints; h != nil {
		fmt.Fprintf(&b, "hints: %+v\n", *h)
	}
	return b.String()
}

func describeStatement(b *strings.Builder, indent string, s *parser.Statement) {
	fmt.Fprintf(b, "%s%s", indent, s.Kind)
	for _, flag := range []struct {
		name string
		is   bool
	}{{"locking", s.Locking}, {"into", s.Into}, {"temp", s.Temp}, {"hold", s.Hold}, {"executes", s.Executes}} {
		if flag.is {
			b.WriteString(" " + flag.name)
		}
	}
	if s.Object != "" {
		fmt.Fprintf(b, " object=%s", s.Object)
	}
	if s.Time != parser.TimeUnused {
		fmt.Fprintf(b, " time=%s", s.Time)
	}
	b.WriteByte('\n')
	for _, list := range []struct {
		name  string
		names []parser.Name
	}{{"reads", s.Reads}, {"writes", s.Writes}, {"functions", s.Functions}} {
		if len(list.names) > 0 {
			fmt.Fprintf(b, "%s  %s: %s\n", indent, list.name, strings.Trim(fmt.Sprint(list.names), "[]"))
		}
	}
	if shape := nonZero(fmt.Sprintf("%+v", s.Shape)); shape != "" {
		fmt.Fprintf(b, "%s  shape: %s\n", indent, shape)
	}
	if s.Setting != nil {
		values := ""
		if len(s.Setting.Values) > 0 {
			values = fmt.Sprintf(" = %q", s.Setting.Values)
		}
		rest := *s.Setting
		rest.Name, rest.Values = "", nil
		fmt.Fprintf(b, "%s  setting: %s%s %s\n", indent, s.Setting.Name, values, nonZero(fmt.Sprintf("%+v", rest)))
	}
	for _, c := range s.Configs {
		fmt.Fprintf(b, "%s  set_config: %s\n", indent, nonZero(fmt.Sprintf("%+v", c)))
	}
	if s.Tx != nil {
		fmt.Fprintf(b, "%s  transaction: %s\n", indent, nonZero(fmt.Sprintf("%+v", *s.Tx)))
	}
	if s.Relogin != nil {
		fmt.Fprintf(b, "%s  relogin: %+v\n", indent, *s.Relogin)
	}
	if s.Inner != nil {
		describeStatement(b, indent+"  inner ", s.Inner)
	}
}

// nonZero keeps of {A:true B:false C:0 D:2} what is set: A D=2.
func nonZero(fields string) string {
	var kept []string
	for field := range strings.FieldsSeq(strings.Trim(fields, "{}")) {
		name, value, _ := strings.Cut(field, ":")
		switch value {
		case "false", "0", "", "[]":
		case "true":
			kept = append(kept, name)
		default:
			kept = append(kept, name+"="+value)
		}
	}
	return strings.Join(kept, " ")
}
