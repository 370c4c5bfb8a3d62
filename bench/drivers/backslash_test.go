package drivers_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// varying is what differs between any two runs: sizes on disk, the time of \watch, numbers of large objects.
var varying = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\b\d+ (bytes|kB|MB)\b`), "SIZE"},
	{regexp.MustCompile(`(?m)^.* \(every .*\)$`), "TIME"},
	{regexp.MustCompile(`lo_import \d+`), "lo_import N"},
	{regexp.MustCompile(`pg_toast_\d{5}\b`), "pg_toast_N"},
	{regexp.MustCompile(`lo_unlink \d{5}\b`), "lo_unlink N"},
}

// TestBackslashCommands compares what psql's own commands show directly and through the proxy.
func TestBackslashCommands(t *testing.T) {
	direct, proxied := ways(t)
	script, err := os.ReadFile("backslash.sql")
	require.NoError(t, err)
	require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "CREATE ROLE trusted_member LOGIN IN ROLE trusted"))
	show := func(w way) string {
		require.NoError(t, bed.Primary().Exec(t.Context(), "postgres", "DROP DATABASE IF EXISTS backslash WITH (FORCE)"))
		source(t, "backslash")
		cmd := exec.CommandContext(t.Context(), program(t, "psql"), "-X", "-a")
		cmd.Dir = t.TempDir()
		cmd.Env = environment(w.host, w.port, "backslash")
		cmd.Stdin = bytes.NewReader(script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal: \password reads what is fed
		out, _ := cmd.CombinedOutput()                       // the last command ends psql: there is no such database
		text := strings.ReplaceAll(string(out), `port "`+w.port+`"`, `port "..."`)
		text = strings.ReplaceAll(text, "port "+w.port, "port ...")
		for _, v := range varying {
			text = v.what.ReplaceAllString(text, v.by)
		}
		return text
	}
	want := show(direct)
	require.Contains(t, want, "is set", "the script was read to its end")
	require.Empty(t, regexp.MustCompile(`(?m)^invalid command.*|^.*extra argument.*`).FindAllString(want, -1))
	require.Equal(t, want, show(proxied))
}
