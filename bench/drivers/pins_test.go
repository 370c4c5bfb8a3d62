package drivers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	pinsBegun      = "aioproxy_proxy_pins_total"
	sessionsBegun  = "aioproxy_proxy_sessions_total"
	sessionsPinned = "aioproxy_proxy_sessions_pinned_total"
)

// pinning is what the proxy has counted of sessions and their pins.
type pinning struct {
	sessions, pinned float64
	reasons          map[string]float64
}

func pinningOf(t *testing.T, p *proxy) pinning {
	t.Helper()
	return pinning{
		sessions: p.counters(t, sessionsBegun)[""], pinned: p.counters(t, sessionsPinned)[""], reasons: p.counters(t, pinsBegun, "reason"),
	}
}

// since is what was counted since.
func (n pinning) since(before pinning) pinning {
	since := pinning{sessions: n.sessions - before.sessions, pinned: n.pinned - before.pinned, reasons: map[string]float64{}}
	for reason, count := range n.reasons {
		if count -= before.reasons[reason]; count > 0 {
			since.reasons[reason] = count
		}
	}
	return since
}

func (n pinning) String() string {
	reasons := make([]string, 0, len(n.reasons))
	for _, r := range slices.Sorted(maps.Keys(n.reasons)) {
		reasons = append(reasons, fmt.Sprintf("%s %.0f", r, n.reasons[r]))
	}
	return fmt.Sprintf("%4.0f sessions, %3.0f pinned (%3.0f %%)  %s", n.sessions, n.pinned, 100*n.pinned/max(n.sessions, 1), strings.Join(reasons, ", "))
}

// judgePins prints which share of a program's sessions pinned and why, and requires that they are the reasons that its text
// gives: whoever only reads and writes keeps no connection.
func judgePins(t *testing.T, d driver, seen pinning) {
	t.Helper()
	t.Logf("%-9s %s", d.name, seen)
	require.Positive(t, seen.sessions)
	require.LessOrEqual(t, seen.pinned, seen.sessions)
	require.ElementsMatch(t, d.pins, slices.Collect(maps.Keys(seen.reasons)), "reasons")
}
