package catalog

import (
	"strings"
	"unicode/utf8"
)

// maxIdentifier is NAMEDATALEN - 1: longer names are cut by PostgreSQL.
const maxIdentifier = 63

const (
	pgCatalog  = "pg_catalog"
	pgTemp     = "pg_temp"
	infoSchema = "information_schema"
	userSchema = "$user"
)

// schemas returns the schemas that an unqualified name is looked for in, in order: PostgreSQL searches pg_catalog first
// unless the path lists it (documentation, "ddl-schemas-catalog"), and "$user" stands for the schema of the user's name.
// Schemas of temporary objects are left out: a session that has any is known to the session itself.
func schemas(searchPath, user string) []string {
	names := splitIdentifiers(searchPath)
	out := make([]string, 0, len(names)+1)
	listed := false
	for _, n := range names {
		switch n {
		case userSchema:
			n = user
		case pgTemp:
			continue
		case pgCatalog:
			listed = true
		}
		out = append(out, n)
	}
	if !listed {
		out = append([]string{pgCatalog}, out...)
	}
	return out
}

// splitIdentifiers reads a list of names as SplitIdentifierString does: separated by commas, quoted or folded to lower
// case. A list that PostgreSQL would not accept gives the names up to the mistake.
func splitIdentifiers(list string) []string {
	var out []string
	rest := strings.Trim(list, whitespace)
	for rest != "" {
		name, after, ok := cutIdentifier(rest)
		if !ok {
			return out
		}
		out = append(out, clip(name))
		rest = strings.TrimLeft(after, whitespace)
		if rest == "" || rest[0] != ',' {
			return out
		}
		rest = strings.TrimLeft(rest[1:], whitespace)
	}
	return out
}

// clip cuts a name where PostgreSQL cuts it, between characters.
func clip(name string) string {
	if len(name) <= maxIdentifier {
		return name
	}
	end := maxIdentifier
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}

// fold is lower case for ASCII letters only, as PostgreSQL does in UTF-8.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

const whitespace = " \t\n\r\f\v"

func cutIdentifier(s string) (name, rest string, ok bool) {
	if s[0] != '"' {
		end := strings.IndexAny(s, ","+whitespace)
		if end < 0 {
			end = len(s)
		}
		return fold(s[:end]), s[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != '"' {
			return b.String(), s[i+1:], true
		}
		b.WriteByte('"')
		i++
	}
	return "", "", false
}
