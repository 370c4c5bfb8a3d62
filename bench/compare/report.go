package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// results are the samples of one row by target, in the order in which the targets are reported.
type results struct {
	row     *row
	names   []string
	samples map[string][]sample
}

func (r *results) add(name string, s sample) {
	if r.samples == nil {
		r.samples = map[string][]sample{}
	}
	if r.samples[name] == nil {
		r.names = append(r.names, name)
	}
	r.samples[name] = append(r.samples[name], s)
}

// median returns the middle of a figure over the rounds, and half the distance between the extremes as a share of it.
func (r *results) median(name string, f figure) (mid, spread float64, ok bool) {
	var values []float64
	for _, s := range r.samples[name] {
		if v, has := s[f]; has {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return 0, 0, false
	}
	slices.Sort(values)
	mid = values[len(values)/2]
	if len(values)%2 == 0 {
		mid = (mid + values[len(values)/2-1]) / 2
	}
	if mid != 0 {
		spread = (values[len(values)-1] - values[0]) / 2 / mid
	}
	return mid, spread, true
}

// ratio is the median of the quotients of one round: what disturbs the machine disturbs both sides.
func (r *results) ratio(name string, f figure) (float64, bool) {
	base := r.samples[r.row.against]
	var quotients []float64
	for i, s := range r.samples[name] {
		if i >= len(base) {
			break
		}
		v, has := s[f]
		if b, known := base[i][f]; has && known && b != 0 {
			quotients = append(quotients, v/b)
		}
	}
	if len(quotients) == 0 {
		return 0, false
	}
	slices.Sort(quotients)
	mid := quotients[len(quotients)/2]
	if len(quotients)%2 == 0 {
		mid = (mid + quotients[len(quotients)/2-1]) / 2
	}
	return mid, true
}

var allFigures = []figure{perSecond, cpuPer, average, p99, megabytes, cpuPerMB, perClient}

// write appends the row's table in Markdown.
func (r *results) write(w io.Writer) {
	var figures []figure
	for _, f := range allFigures {
		for _, name := range r.names {
			if _, _, ok := r.median(name, f); ok {
				figures = append(figures, f)
				break
			}
		}
	}
	_, _ = fmt.Fprintf(w, "\n### %s\n\n| target |", r.row.name)
	for _, f := range figures {
		_, _ = fmt.Fprintf(w, " %s | of %s's |", f, r.row.against)
	}
	_, _ = fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|---:|", len(figures)))
	for _, name := range r.names {
		_, _ = fmt.Fprintf(w, "| %s |", name)
		for _, f := range figures {
			r.cell(w, name, f)
		}
		_, _ = fmt.Fprintln(w)
	}
}

func (r *results) cell(w io.Writer, name string, f figure) {
	mid, spread, ok := r.median(name, f)
	if !ok {
		_, _ = fmt.Fprint(w, " | |")
		return
	}
	digits := 1
	if mid >= 1000 {
		digits = 0
	} else if mid < 10 {
		digits = 2
	}
	_, _ = fmt.Fprintf(w, " %.*f ± %.0f %% |", digits, mid, 100*spread)
	if q, ok := r.ratio(name, f); ok && name != r.row.against {
		_, _ = fmt.Fprintf(w, " %.2f |", q)
		return
	}
	_, _ = fmt.Fprint(w, " |")
}
