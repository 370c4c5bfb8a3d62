package compose

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Options say what to compose, and where to run it.
type Options struct {
	Nodes []string // addresses of PostgreSQL servers where role postgres needs no password, the primary first
	Proxy string   // address of the proxy in front of them

	Seed     uint64        // of the first round; the following rounds count up
	Rounds   int           // 0: as many as Duration allows
	Duration time.Duration // 0: as long as Rounds last
	Sessions int           // of a round, all under way at the same time
	Pieces   int           // of a session, on average
	Only     []string      // kinds of pieces; none for all
	Without  []string      // kinds that are left out
	Failures int           // stop after so many differences; 0: after the first
	Shrink   time.Duration // how long to look for the least that differs; 0: not at all
	// Log is told about progress; nil for silence.
	Log func(format string, args ...any)
}

func (o *Options) allows(kind string) bool {
	if len(o.Only) > 0 && kind != "look" && !slices.Contains(o.Only, kind) {
		return false
	}
	return !slices.Contains(o.Without, kind)
}

// Result is what was compared.
type Result struct {
	Rounds, Sessions, Pieces, Messages int
	Elapsed                            time.Duration
	Failures                           []Failure
	Crashed                            []uint64 // seeds of rounds in which PostgreSQL itself crashed; they are not counted
	Silent                             []uint64 // seeds of rounds that PostgreSQL itself left unanswered; they are not counted
}

// errSilent: a session that waits for ever on a direct connection says nothing about the proxy.
var errSilent = errors.New("fell silent on its direct connection")

// mostCrashes is how many crashes of PostgreSQL's are put up with.
const mostCrashes = 10

// Failure is a round in which a session did not receive what it does directly.
type Failure struct {
	Seed     uint64
	Session  string
	Message  int    // the first that differs
	Report   string // both streams around it
	Script   string // the least that was found to differ, as a parity script
	Repeated bool   // the round differed again when it was run again
}

// runner has what all rounds share.
type runner struct {
	opt             *Options
	direct, proxied *target
}

// Names of the databases: the direct sessions have one of their own.
const (
	directDatabase  = "composed_direct"
	proxiedDatabase = "composed"
)

// Run composes and compares rounds of sessions until the time is over or too much differs. An error is about the harness or
// the servers; what differs is in the Result.
func Run(ctx context.Context, opt Options) (Result, error) {
	opt.defaults()
	r, err := newRunner(ctx, &opt)
	if err != nil {
		return Result{}, err
	}
	defer r.close(ctx)
	var res Result
	began := time.Now()
	for seed := opt.Seed; ctx.Err() == nil; seed++ {
		if opt.Rounds > 0 && res.Rounds == opt.Rounds || opt.Duration > 0 && time.Since(began) > opt.Duration {
			break
		}
		err := r.round(ctx, seed, &res)
		if err != nil && r.direct.lost() && len(res.Crashed) < mostCrashes {
			opt.Log("seed %d ended PostgreSQL: %v", seed, err)
			res.Crashed = append(res.Crashed, seed)
			err = r.renew(ctx)
		}
		if errors.Is(err, errSilent) && len(res.Silent) < mostCrashes {
			opt.Log("seed %d: %v", seed, err)
			res.Silent = append(res.Silent, seed)
			err = nil
		}
		if err != nil {
			return res, fmt.Errorf("round %d: %w", seed, err)
		}
		if len(res.Failures) >= max(1, opt.Failures) {
			break
		}
	}
	res.Elapsed = time.Since(began)
	return res, ctx.Err()
}

func (o *Options) defaults() {
	if o.Sessions == 0 {
		o.Sessions = 6
	}
	if o.Pieces == 0 {
		o.Pieces = 12
	}
	if o.Rounds == 0 && o.Duration == 0 {
		o.Rounds = 1
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
}

func newRunner(ctx context.Context, opt *Options) (*runner, error) {
	r := &runner{opt: opt}
	var err error
	until := time.Now().Add(3 * waiting)
	for ; ; pause(ctx, 100*time.Millisecond) { // it may be starting again
		r.direct, err = openTarget(ctx, opt, opt.Nodes[0], directDatabase)
		if err == nil {
			break
		}
		if ctx.Err() != nil || time.Now().After(until) {
			return nil, err
		}
	}
	if r.proxied, err = openTarget(ctx, opt, opt.Proxy, proxiedDatabase); err != nil {
		r.direct.close(ctx)
		return nil, err
	}
	if err := makeRoles(ctx, r.direct, opt.Sessions); err != nil {
		r.close(ctx)
		return nil, err
	}
	return r, nil
}

// renew connects again, to a PostgreSQL that comes back after a crash.
func (r *runner) renew(ctx context.Context) error {
	again, err := newRunner(ctx, r.opt)
	if err != nil {
		return fmt.Errorf("after a crash of PostgreSQL: %w", err)
	}
	r.close(ctx)
	*r = *again
	return nil
}

func (r *runner) close(ctx context.Context) {
	r.direct.close(ctx)
	r.proxied.close(ctx)
}

func (r *runner) round(ctx context.Context, seed uint64, res *Result) error {
	programs := compose(seed, r.opt)
	want, got, err := r.both(ctx, programs, seed)
	if err != nil {
		return err
	}
	res.Rounds++
	res.Sessions += len(programs)
	res.Pieces += pieces(programs)
	for _, s := range want {
		res.Messages += len(s.stream)
	}
	f := differs(want, got)
	if f == nil {
		return nil
	}
	f.Seed = seed
	r.opt.Log("seed %d differs: %s", seed, f.Report)
	if r.opt.Shrink > 0 {
		r.shrink(ctx, programs, f)
	}
	res.Failures = append(res.Failures, *f)
	return nil
}

// both runs the programs on either side. What the sessions find is made anew for each: on the proxy's side that is somebody
// else's DDL.
func (r *runner) both(ctx context.Context, programs []Program, seed uint64) (want, got []*session, err error) {
	how := rand.New(rand.NewPCG(seed, 2))
	r.direct.user = "postgres"
	if how.IntN(4) == 0 {
		r.direct.user = loginRole
	}
	r.proxied.user = r.direct.user
	if err := r.direct.reset(ctx, programs); err != nil {
		return nil, nil, err
	}
	want = apart(ctx, r.direct, programs)
	for _, s := range want {
		if s.silent {
			return nil, nil, fmt.Errorf("session %s %w after %s", s.program.Name, errSilent, excerpt(s.stream, 6))
		}
	}
	if err := errors.Join(r.direct.rollBackPrepared(ctx), r.proxied.reset(ctx, programs)); err != nil {
		return nil, nil, err
	}
	if how.IntN(3) == 0 {
		got = apart(ctx, r.proxied, programs)
	} else {
		got = interleaved(ctx, r.proxied, programs, seed)
	}
	return want, got, r.proxied.rollBackPrepared(ctx) // their names are the same on both sides, and of the whole server
}

// differs finds the first session whose streams part.
func differs(want, got []*session) *Failure {
	for i, w := range want {
		g := got[i]
		at := 0
		for at < len(w.stream) && at < len(g.stream) && w.stream[at] == g.stream[at] {
			at++
		}
		if at == len(w.stream) && at == len(g.stream) {
			continue
		}
		return &Failure{Session: w.program.Name, Message: at, Report: fmt.Sprintf("session %s, message %d\nsteps:%s\nboth:%s\ndirect:%s\nproxy:%s",
			w.program.Name, at, w.around(at), excerpt(w.stream[:at], 6), excerpt(w.stream[at:], 0), excerpt(g.stream[at:], 0))}
	}
	return nil
}

// around are the steps up to the one that a message of the stream belongs to.
func (s *session) around(message int) string {
	step := 0
	for step+1 < len(s.began) && s.began[step+1] <= message {
		step++
	}
	var lines []string
	for i := max(0, step-5); i <= step; i++ {
		lines = append(lines, "["+s.pieces[i]+"] "+s.steps[i].Action.String()+" "+s.steps[i].text())
	}
	return excerpt(lines, 6)
}

// excerpt is six messages, shortened: the first ones, or the last ones.
func excerpt(stream []string, last int) string {
	var b strings.Builder
	if last > 0 {
		stream = stream[max(0, len(stream)-last):]
	}
	for _, m := range stream[:min(len(stream), 6)] {
		b.WriteString("\n\t" + m[:min(len(m), 400)])
	}
	return b.String()
}

// Known are the kinds of pieces whose differences are known and not yet dealt with, for Options.Without; docs/COMPATIBILITY.md says
// what they are.
func Known() []string { return []string{"statements listed", "currval", "currval alone"} }
