package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/aioproxy/aioproxy/cmd/aioproxy/build"
)

func versionCommand() command {
	return command{
		name: "version", summary: "print the version",
		help: "Usage: aioproxy version\n\nPrints the version, the commit it was built from and the Go release.\n",
		flags: func(*pflag.FlagSet) func(context.Context, []string, streams) error {
			return func(_ context.Context, args []string, std streams) error {
				if len(args) > 0 {
					return usagef("version takes no arguments")
				}
				fmt.Fprintln(std.out, build.Line())
				return nil
			}
		},
	}
}
