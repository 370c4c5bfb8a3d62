package compose

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
	"github.com/aioproxy/aioproxy/bench/testbed"
)

var bed *testbed.Cluster

func TestMain(m *testing.M) {
	opt := testbed.Options{Conf: map[string]string{"max_prepared_transactions": "10"}}
	os.Exit(testbed.Main(m, opt, func(c *testbed.Cluster) { bed = c }))
}

func composed(seed uint64) []Program {
	opt := Options{}
	opt.defaults()
	return compose(seed, &opt)
}

// A seed is all that a round needs, and each of its steps can be written down and read again.
func TestProgramsFollowFromTheSeed(t *testing.T) {
	assert.Equal(t, composed(7), composed(7))
	assert.NotEqual(t, composed(7), composed(8))
	for _, p := range composed(7) {
		for _, piece := range p.Pieces {
			for i := range piece.Steps {
				st := &piece.Steps[i]
				if len(st.Commands) == 0 {
					continue
				}
				again, err := frames.Parse(st.text())
				require.NoError(t, err)
				require.Len(t, again, len(st.Commands), st.text())
			}
		}
	}
}

// Every kind of piece can be made, again and again, into messages.
func TestEveryKindOfPiece(t *testing.T) {
	names := map[string]bool{}
	for _, k := range kinds() {
		names[k.name] = true
	}
	for _, name := range Known() {
		assert.True(t, names[name], name)
	}
	for seed := range uint64(20) {
		for _, p := range composed(seed) {
			for _, piece := range p.Pieces {
				assert.True(t, names[piece.Name], piece.Name)
				for _, st := range piece.Steps {
					for _, c := range st.Commands {
						_, err := c.Append(nil)
						require.NoError(t, err)
					}
				}
			}
		}
	}
}

// PostgreSQL does not differ from itself, however the sessions are interleaved.
func TestPostgresAgainstItself(t *testing.T) {
	res, err := Run(t.Context(), Options{Nodes: bed.Addrs(), Proxy: bed.Primary().Addr(), Seed: 1, Rounds: 4, Shrink: 1})
	require.NoError(t, err)
	assert.Equal(t, 4, res.Rounds)
	assert.Equal(t, 24, res.Sessions)
	assert.Greater(t, res.Messages, 1000)
	for _, f := range res.Failures {
		t.Errorf("seed %d\n%s\n%s", f.Seed, f.Report, f.Script)
	}
}

// A server that answers otherwise is found out, and the script says by what: here the other side has a setting of its own.
func TestDifferencesAreFoundAndMadeSmall(t *testing.T) {
	opt := Options{Nodes: bed.Addrs(), Proxy: bed.Primary().Addr(), Log: t.Logf, Shrink: 2 * waiting}
	opt.defaults()
	r, err := newRunner(t.Context(), &opt)
	require.NoError(t, err)
	defer r.close(t.Context())
	require.NoError(t, r.proxied.exec(t.Context(), "ALTER DATABASE "+r.proxied.database+" SET array_nulls = off"))
	programs := composed(3)
	culprit := Piece{Name: "show", Steps: []Step{query("SHOW work_mem"), query("SHOW array_nulls")}}
	for i := range programs {
		programs[i].Pieces = []Piece{{Name: "read", Steps: []Step{query("SELECT 1")}}}
	}
	programs[2].Pieces = append(programs[2].Pieces, culprit, programs[0].Pieces[0])
	want, got, err := r.both(t.Context(), programs, 3)
	require.NoError(t, err)
	f := differs(want, got)
	require.NotNil(t, f)
	assert.Equal(t, "s2", f.Session)
	r.shrink(t.Context(), programs, f)
	assert.True(t, f.Repeated)
	var lines []string
	for line := range strings.Lines(f.Script) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "open") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	assert.Equal(t, []string{`s2: Query "SHOW array_nulls"`, "s2: wait 1"}, lines, "%s", fmt.Sprint(f.Script))
}
