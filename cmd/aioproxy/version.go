package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"
)

// version is set by the linker: -ldflags '-X main.version=1.2.3'.
var version string

func versionCommand() command {
	return command{
		name: "version", summary: "print the version",
		help: "Usage: aioproxy version\n\nPrints the version, the commit it was built from and the Go release.\n",
		flags: func(*pflag.FlagSet) func(context.Context, []string, streams) error {
			return func(_ context.Context, args []string, std streams) error {
				if len(args) > 0 {
					return usagef("version takes no arguments")
				}
				fmt.Fprintln(std.out, versionLine())
				return nil
			}
		},
	}
}

// versionLine says what was built from what, as far as the build recorded it.
func versionLine() string {
	name, commit := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if name == "" {
			name = info.Main.Version
		}
		if revision := settings["vcs.revision"]; revision != "" {
			commit = " commit " + revision[:min(12, len(revision))]
		}
		if settings["vcs.modified"] == "true" {
			commit += " (modified)"
		}
	}
	if name == "" {
		name = "(devel)"
	}
	return fmt.Sprintf("aioproxy %s%s %s %s/%s", name, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
