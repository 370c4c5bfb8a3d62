package cluster

import "time"

// maxHistory bounds the samples kept: more than an hour of a busy primary at one check per second.
const maxHistory = 4096

// history remembers when the primary's flushed position was where. It is what lag is measured with: the age of the last
// replayed transaction says nothing on an idle primary.
type history struct {
	timeline uint32
	samples  []sample // ascending
}

// sample is one position and the last moment at which the primary was seen there.
type sample struct {
	lsn  LSN
	last time.Time
}

func (h *history) add(p Position, at time.Time) {
	if p.Timeline != h.timeline {
		h.timeline, h.samples = p.Timeline, h.samples[:0]
	}
	if n := len(h.samples); n > 0 && p.LSN <= h.samples[n-1].lsn {
		h.samples[n-1].last = at
		return
	}
	if len(h.samples) == maxHistory {
		h.samples = append(h.samples[:0], h.samples[maxHistory/2:]...)
	}
	h.samples = append(h.samples, sample{p.LSN, at})
}

// lag is how long ago the primary was where the replica is now. While there is no primary, pass the time at which one was
// last seen as now. replayAge is the age of the last replayed transaction, or negative if unknown; it is used for a
// replica that is behind everything remembered. known is false if nothing can be said.
func (h *history) lag(replayed LSN, now time.Time, replayAge time.Duration) (lag time.Duration, known bool) {
	n := len(h.samples)
	if n == 0 || replayed >= h.samples[n-1].lsn {
		return 0, true
	}
	for i := n - 1; i >= 0; i-- {
		if h.samples[i].lsn <= replayed {
			return max(0, now.Sub(h.samples[i].last)), true
		}
	}
	if replayAge < 0 {
		return 0, false
	}
	return max(replayAge, now.Sub(h.samples[0].last), 0), true
}
