// Package configsize has the type of sizes in the configuration, such as 256MiB.
package configsize

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// The binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var units = []struct {
	suffix string
	factor Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"GB", GiB}, {"MB", MiB}, {"kB", KiB}, {"B", 1}, {"", 1}}

// Parse reads a number with an optional unit. As in PostgreSQL, kB, MB and GB are powers of 1024.
func Parse(text string) (Size, error) {
	t := strings.TrimSpace(text)
	for _, u := range units {
		digits, ok := strings.CutSuffix(t, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/int64(u.factor) {
			break
		}
		return Size(n) * u.factor, nil
	}
	return 0, fmt.Errorf("%q is not a size; write a whole number with a unit, such as 512KiB, 256MiB or 1GiB", text)
}

func (s Size) String() string {
	for _, u := range units[:3] {
		if s >= u.factor && s%u.factor == 0 {
			return strconv.FormatInt(int64(s/u.factor), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalYAML reads a size from the scalar that the decoder hands over.
func (s *Size) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	v, err := Parse(text)
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// MarshalYAML writes a size as it would be read.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }
