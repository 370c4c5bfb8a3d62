package demo

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// console prints for a person. A failed write to a terminal has nowhere to be
// reported, so it is not.
type console struct {
	out      io.Writer
	started  time.Time
	terminal bool
}

func newConsole(out io.Writer) *console {
	return &console{out: out, started: time.Now(), terminal: isTerminal(out)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

func (c *console) line(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// step prints a line with the time since the demo began.
func (c *console) step(format string, args ...any) {
	c.line("%s "+format, append([]any{c.elapsed()}, args...)...)
}

func (c *console) elapsed() string {
	return fmt.Sprintf("[%5.1fs]", time.Since(c.started).Seconds())
}

// progress reports how far a table is loaded: on one line that is rewritten if
// that is possible, else at every quarter.
type progress struct {
	c     *console
	table string
	total int
	shown int // quarters
}

func (c *console) progress(table string, total int) *progress {
	return &progress{c: c, table: table, total: total}
}

func (p *progress) at(done int) {
	text := fmt.Sprintf("%s loading %-10s %10s of %s rows", p.c.elapsed(), p.table, thousands(done), thousands(p.total))
	if p.c.terminal {
		end := "\r"
		if done >= p.total {
			end = "\n"
		}
		_, _ = fmt.Fprint(p.c.out, text, end)
		return
	}
	if quarter := 4 * done / max(p.total, 1); quarter > p.shown {
		p.shown = quarter
		p.c.line("%s", text)
	}
}

// The columns of the tour, but for the last, which is as wide as it is.
var tourColumns = []struct {
	title string
	width int
	right bool
}{
	{"SQL", 64, false}, {"class", 10, false}, {"ran on", 8, false}, {"cache", 6, false}, {"time", 9, true},
}

func (c *console) tourHeader() {
	var cells []string
	for _, col := range tourColumns {
		cells = append(cells, col.title)
	}
	c.tourRow(append(cells, "why")...)
	c.line("%s", strings.Repeat("-", 120))
}

// tourRow prints one cell per column of the tour and the last behind them.
func (c *console) tourRow(cells ...string) {
	var b strings.Builder
	for i, col := range tourColumns {
		cell := shorten(cells[i], col.width)
		pad := strings.Repeat(" ", col.width-utf8.RuneCountInString(cell))
		if col.right {
			cell = pad + cell
		} else {
			cell += pad
		}
		b.WriteString(cell + "  ")
	}
	b.WriteString(cells[len(tourColumns)])
	c.line("%s", strings.TrimRight(b.String(), " "))
}

// shorten makes one line of at most width characters.
func shorten(s string, width int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
