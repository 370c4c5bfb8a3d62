package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// attempts is how often a smaller round is run before it counts as one that does not differ.
const attempts = 2

// shrink leaves out sessions, pieces and steps as long as what is left differs, and writes the rest down.
func (r *runner) shrink(ctx context.Context, programs []Program, f *Failure) {
	deadline := time.Now().Add(r.opt.Shrink)
	least := programs
	seed := f.Seed
	still := func(smaller []Program) bool {
		for range attempts {
			if time.Now().After(deadline) {
				return false
			}
			want, got, err := r.both(ctx, smaller, seed)
			if err != nil {
				return false
			}
			if d := differs(want, got); d != nil {
				f.Report, f.Session, f.Message, f.Repeated = d.Report, d.Session, d.Message, true
				return true
			}
		}
		return false
	}
	if alone := only(programs, f.Session); still(alone) {
		least = alone
	} else if f.Repeated = still(least); f.Repeated {
		least = without(least, func(p []Program) []Program { return p }, func(_ []Program, list []Program) []Program { return list }, still)
	}
	if !f.Repeated {
		f.Script = script(r.proxied.user, only(programs, f.Session))
		return
	}
	for i := range least {
		least = withoutPieces(least, i, still)
	}
	for i := range least {
		least = withoutSteps(least, i, still)
	}
	f.Script = script(r.proxied.user, least)
}

// only is the one program of a name.
func only(programs []Program, name string) []Program {
	return slices.DeleteFunc(slices.Clone(programs), func(p Program) bool { return p.Name != name })
}

// without removes chunks of a list, halving them, as long as the rest still fails.
func without[T any](programs []Program, get func([]Program) []T, put func([]Program, []T) []Program, still func([]Program) bool) []Program {
	for size := max(1, len(get(programs))/2); size > 0; size /= 2 {
		for at := 0; at < len(get(programs)); {
			list := get(programs)
			rest := append(slices.Clone(list[:at]), list[min(len(list), at+size):]...)
			smaller := put(programs, rest)
			if len(smaller) > 0 && still(smaller) {
				programs = smaller
			} else {
				at += size
			}
		}
	}
	return programs
}

func withoutPieces(programs []Program, i int, still func([]Program) bool) []Program {
	return without(programs, func(p []Program) []Piece { return p[i].Pieces }, func(p []Program, list []Piece) []Program {
		p = slices.Clone(p)
		p[i].Pieces = list
		return p
	}, still)
}

func withoutSteps(programs []Program, i int, still func([]Program) bool) []Program {
	// A piece for every step, so that single ones can go.
	programs = slices.Clone(programs)
	var single []Piece
	for _, p := range programs[i].Pieces {
		for _, s := range p.Steps {
			single = append(single, Piece{Name: p.Name, Steps: []Step{s}})
		}
	}
	programs[i].Pieces = single
	if !still(programs) {
		return programs
	}
	return withoutPieces(programs, i, still)
}

// script writes programs as a parity script, one session after the other; how they were interleaved is for the reader to find.
func script(user string, programs []Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# sessions of %s\n", user)
	for i := range programs {
		fmt.Fprintf(&b, "# %s\n", programs[i].Name)
	}
	for i := range programs {
		p := &programs[i]
		name, open := p.Name, ""
		for _, w := range p.Startup {
			open += " " + fmt.Sprintf("%q", w)
		}
		fmt.Fprintf(&b, "%s: open%s\n", name, open)
		again := 0
		for _, piece := range p.Pieces {
			fmt.Fprintf(&b, "# %s\n", piece.Name)
			for k := range piece.Steps {
				st := &piece.Steps[k]
				for _, line := range st.lines(name) {
					b.WriteString(line + "\n")
				}
				if st.Action == Drop || st.Action == Terminate {
					again++
					name = fmt.Sprintf("%s_%d", p.Name, again+1)
					fmt.Fprintf(&b, "%s: open%s\n", name, open)
				}
			}
		}
	}
	return b.String()
}
