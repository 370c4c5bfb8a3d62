package compose

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/bench/parity/frames"
)

// gen composes one program.
type gen struct {
	*rand.Rand
	index int // of the session
	count int // of cancelled statements, whose markers must differ
}

// kind is a sort of piece. Where weights are equal, pieces are equally likely.
type kind struct {
	name   string
	weight int
	make   func(*gen) []Step
}

// kinds are all sorts of pieces.
func kinds() []kind {
	var all []kind
	for _, list := range [][]kind{
		settingPieces, rolePieces, transactionPieces, queryPieces, extendedPieces, heldPieces, hiddenPieces, copyPieces, endPieces, lookPieces,
	} {
		all = append(all, list...)
	}
	return all
}

// compose makes the programs of a round.
func compose(seed uint64, opt *Options) []Program {
	programs := make([]Program, opt.Sessions)
	for i := range programs {
		g := &gen{Rand: rand.New(rand.NewPCG(seed, uint64(i))), index: i}
		programs[i] = g.program(opt)
	}
	return programs
}

func (g *gen) program(opt *Options) Program {
	p := Program{Name: fmt.Sprintf("s%d", g.index), Startup: g.startup(opt)}
	all, total := chosen(opt)
	for range opt.Pieces/2 + g.IntN(opt.Pieces) {
		at := g.IntN(total)
		for _, k := range all {
			if at -= k.weight; at < 0 {
				p.Pieces = append(p.Pieces, Piece{Name: k.name, Steps: k.make(g)})
				break
			}
		}
	}
	p.Pieces = append(p.Pieces, Piece{Name: "look", Steps: look(g)})
	return p
}

// chosen leaves out what the options do.
func chosen(opt *Options) (list []kind, total int) {
	for _, k := range kinds() {
		if opt.allows(k.name) {
			list = append(list, k)
			total += k.weight
		}
	}
	return list, total
}

// startup is what the session's StartupMessage says beside user and database.
func (g *gen) startup(opt *Options) []string {
	path := fmt.Sprintf("-c search_path=s%d", g.index)
	var words []string
	if !opt.allows("startup settings") {
		return []string{"options=" + path}
	}
	for range g.IntN(3) {
		s := settings[g.IntN(len(settings))]
		value := s.values[g.IntN(len(s.values))]
		switch {
		case strings.ContainsAny(s.name, ".") || s.local:
		case g.IntN(2) == 0:
			words = append(words, s.name+"="+value)
		default:
			path += " -c " + s.name + "=" + strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(value)
		}
	}
	if g.IntN(6) == 0 {
		path += " -c my.app=start"
	}
	return append(words, "options="+path)
}

// one picks from a list.
func one[T any](g *gen, list ...T) T { return list[g.IntN(len(list))] }

// sql puts the session's number into a text.
func (g *gen) sql(format string) string {
	return strings.NewReplacer("$S", fmt.Sprintf("s%d", g.index), "$I", fmt.Sprintf("%d", g.index)).Replace(format)
}

func query(sql string) Step { return Step{Commands: []frames.Command{frames.C("Query", sql)}} }

func send(commands ...frames.Command) Step { return Step{Commands: commands} }

func until(types string, commands ...frames.Command) Step {
	return Step{Commands: commands, Until: types}
}

// after makes a step wait only where the message that came last is one of some types.
func (s Step) after(types string) Step {
	s.After = types
	return s
}

// unnamed is a statement in the extended protocol, without a Sync.
func unnamed(sql string) []frames.Command {
	return []frames.Command{
		frames.C("Parse", "", sql), frames.C("Bind", "", ""), frames.C("Describe", "P", ""), frames.C("Execute", "", "0"),
	}
}

var syncMessage = frames.C("Sync")

// run has statements carried out in one of the ways in which that is possible.
func (g *gen) run(statements ...string) []Step {
	for i := range statements {
		statements[i] = g.sql(statements[i])
	}
	switch n := g.IntN(10); {
	case n < 4, n < 6 && slices.ContainsFunc(statements, resets):
		return g.each(statements, func(sql string) []Step { return []Step{query(sql)} })
	case n < 6:
		return []Step{query(strings.Join(statements, "; "))}
	case n < 8:
		return g.each(statements, g.extended)
	case n < 9: // one Sync for all
		var all []frames.Command
		for _, sql := range statements {
			all = append(all, unnamed(sql)...)
		}
		return []Step{send(append(all, syncMessage)...)}
	}
	var all []frames.Command // a Sync for each, in one write
	for _, sql := range statements {
		all = append(append(all, unnamed(sql)...), syncMessage)
	}
	return []Step{send(all...)}
}

// resets recognises what brings back a setting of the start-up packet's: within a text of several statements, the proxy
// brings it back only behind the last of them.
func resets(sql string) bool {
	return strings.HasPrefix(sql, "RESET ") || strings.HasSuffix(sql, "DEFAULT")
}

func (g *gen) each(statements []string, do func(string) []Step) []Step {
	var steps []Step
	for _, sql := range statements {
		steps = append(steps, do(sql)...)
	}
	return steps
}

// extended is one statement in the extended protocol, in one write or as drivers do it in two.
func (g *gen) extended(sql string) []Step {
	name := one(g, "", "", "p1", "p2")
	parse := []frames.Command{frames.C("Parse", name, sql), frames.C("Describe", "S", name)}
	rest := []frames.Command{frames.C("Bind", "", name, one(g, "rf=0", "rf=1")), frames.C("Execute", "", one(g, "0", "0", "2")), syncMessage}
	if name != "" {
		parse = append([]frames.Command{frames.C("Close", "S", name)}, parse...)
	}
	if g.IntN(2) == 0 {
		return []Step{send(append(parse, rest...)...)}
	}
	return []Step{send(append(parse, syncMessage)...), send(rest...)}
}

// queries is a list of statements as simple queries, one by one.
func (g *gen) queries(statements ...string) []Step {
	return g.each(statements, func(sql string) []Step { return []Step{query(g.sql(sql))} })
}
