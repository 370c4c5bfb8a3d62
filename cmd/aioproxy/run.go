package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// The exit codes of all subcommands.
const (
	exitOK      = 0
	exitFailure = 1 // it was understood and did not work
	exitUsage   = 2 // the command line or the configuration is wrong
)

// streams are what a subcommand reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is an error about what was typed or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// command is one subcommand.
type command struct {
	name    string
	summary string
	help    string // the usage line and what the flags' own help does not say
	flags   func(*pflag.FlagSet) func(context.Context, []string, streams) error
}

func commands() []command {
	return []command{serveCommand(), demoCommand(), checkCommand(), explainCommand(), versionCommand()}
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	cmd, rest := pick(args)
	set := pflag.NewFlagSet(cmd.name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.SortFlags = false
	act := cmd.flags(set)
	err := set.Parse(rest)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(std.out, helpText(cmd, set))
		return exitOK
	case err != nil:
		err = usageError{err}
	default:
		err = act(ctx, set.Args(), std)
	}
	return exitCode(err, cmd, std)
}

func exitCode(err error, cmd command, std streams) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailure
	case errors.Is(err, errConfiguration):
		return exitUsage
	}
	fmt.Fprintf(std.err, "aioproxy: %s\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(std.err, "`aioproxy %s --help` lists what can be given.\n", cmd.name)
		return exitUsage
	}
	return exitFailure
}

// What was said already.
var (
	errReported      = errors.New("failed")
	errConfiguration = errors.New("the configuration is wrong")
)

// pick finds the subcommand: the first argument, or serve when that is a flag or missing.
func pick(args []string) (command, []string) {
	all := commands()
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return all[0], args
	}
	for _, c := range all {
		if c.name == args[0] {
			return c, args[1:]
		}
	}
	unknown := command{name: "serve", flags: func(*pflag.FlagSet) func(context.Context, []string, streams) error {
		return func(context.Context, []string, streams) error {
			return usagef("unknown subcommand %q; there are %s", args[0], strings.Join(names(all), ", "))
		}
	}}
	return unknown, nil
}

func names(all []command) []string {
	out := make([]string, len(all))
	for i, c := range all {
		out[i] = c.name
	}
	return out
}

func helpText(cmd command, set *pflag.FlagSet) string {
	var b strings.Builder
	b.WriteString(cmd.help)
	if usages := set.FlagUsages(); usages != "" {
		fmt.Fprintf(&b, "\nFlags:\n%s", usages)
	}
	if cmd.name == "serve" {
		b.WriteString("\nSubcommands (each has --help):\n")
		for _, c := range commands() {
			fmt.Fprintf(&b, "  %-8s  %s\n", c.name, c.summary)
		}
	}
	return b.String()
}
