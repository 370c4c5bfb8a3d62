// Package build knows what this program was built from.
package build

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is set by the linker: -ldflags '-X github.com/aioproxy/aioproxy/cmd/aioproxy/build.Version=1.2.3'.
var Version string

// Line says what was built from what, as far as the build recorded it.
func Line() string {
	name, commit := Version, ""
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
