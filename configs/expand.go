package configs

import (
	"fmt"
	"regexp"
	"strings"
)

// Expansion works on the text of one scalar after the YAML was parsed, so a value can never add keys or lines.
// ${NAME} is replaced; $${ stands for a literal ${; every other dollar sign is itself.
var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces the variables of text. A variable that is not set is an error; one that is set to nothing is not.
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var err error
	expanded := variable.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		name, closed := strings.CutSuffix(match[2:], "}")
		if !closed || !variableName.MatchString(name) {
			err = fmt.Errorf("%q is not a variable; write ${NAME} with letters, digits and _, or $${ for a literal ${", match)
			return match
		}
		value, ok := lookup(name)
		if !ok {
			err = fmt.Errorf("environment variable %s is not set; set it, or write $${%s} for the literal text", name, name)
		}
		return value
	})
	return expanded, err
}
