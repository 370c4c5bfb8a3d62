// Package report writes results into a page that people write the rest of. Each part has a place of its own in the page,
// between two comments, and nothing outside of it is touched.
package report

import (
	"fmt"
	"os"
	"strings"
)

func markers(section string) (begin, end string) {
	return "<!-- begin " + section + ": written by `make parity` -->\n", "<!-- end " + section + " -->\n"
}

// Update replaces what a section of the page says. A page without the section is an error that says what to put there: where a
// result is read, and after what, is a matter of the page's author.
func Update(path, section, text string) error {
	page, err := os.ReadFile(path) //nolint:gosec // the page that the caller names
	if err != nil {
		return err
	}
	updated, err := Replace(string(page), section, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if updated == string(page) {
		return nil
	}
	return os.WriteFile(path, []byte(updated), 0o644) //nolint:gosec // a page of the repository, for all to read
}

// Replace is Update for a page in memory.
func Replace(page, section, text string) (string, error) {
	begin, end := markers(section)
	before, rest, ok := strings.Cut(page, begin)
	if !ok {
		return "", fmt.Errorf("no place for the results: put these two lines where they belong:\n%s%s", begin, end)
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the section %s has no end: put this line behind it: %s", section, end)
	}
	return before + begin + "\n" + strings.Trim(text, "\n") + "\n\n" + end + after, nil
}
