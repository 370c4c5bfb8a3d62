package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// unmarshaler is what the rooms' own scalar types have, such as configsize.Size.
type unmarshaler interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

var durationType = reflect.TypeFor[time.Duration]()

// isScalar reports whether v is written as one value.
func isScalar(v reflect.Value) bool {
	kind := v.Kind()
	if kind == reflect.Map || kind == reflect.Slice || kind == reflect.Pointer || kind == reflect.Interface {
		return false
	}
	return kind != reflect.Struct || isUnmarshaler(v)
}

// isUnmarshaler reports whether v, which must be addressable, reads its own text.
func isUnmarshaler(v reflect.Value) bool {
	switch v.Addr().Interface().(type) {
	case unmarshaler, encoding.TextUnmarshaler:
		return true
	}
	return false
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string) {
	text, ok := scalarText(n)
	if !ok {
		if key := d.keys[path]; key != nil && (n == nil || n.Type() == ast.NullType) {
			d.at(key, "%s has no value; write one, or leave the key out for its default", path)
			return
		}
		d.at(place(n), "%s takes one value, not a list or a mapping", path)
		return
	}
	expanded, err := expand(text, d.lookup)
	if err == nil {
		err = setScalar(v, expanded)
	}
	if err != nil {
		d.at(n.GetToken(), "%s: %s", path, err)
	}
}

// scalarText is the text of a scalar as written: 0123 stays 0123 where a string is wanted.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func setScalar(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case unmarshaler:
		return p.UnmarshalYAML(func(dst any) error {
			target := reflect.ValueOf(dst)
			if target.Kind() != reflect.Pointer || !isScalar(target.Elem()) {
				return errors.New("takes one value")
			}
			return setScalar(target.Elem(), text)
		})
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		return setDuration(v, text)
	}
	return setKind(v, text)
}

func setKind(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		on, ok := map[string]bool{"true": true, "on": true, "yes": true, "false": false, "off": false, "no": false}[text]
		if !ok {
			return fmt.Errorf("%q is not a truth value; write true or false", text)
		}
		v.SetBool(on)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number; write one such as 20", text)
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0; write one such as 20", text)
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a number; write one such as 1.5", text)
		}
		v.SetFloat(n)
	default:
		return fmt.Errorf("a %s cannot be configured", v.Type())
	}
	return nil
}

var bareNumber = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

func setDuration(v reflect.Value, text string) error {
	value, err := parseDuration(text)
	if err != nil {
		return err
	}
	v.SetInt(int64(value))
	return nil
}

// parseDuration reads Go's durations and whole days, since time limits of dashboards are often written in them.
func parseDuration(text string) (time.Duration, error) {
	if bareNumber.MatchString(text) {
		return 0, fmt.Errorf("%s has no unit; write %ss for seconds or %sms for milliseconds", text, text, text)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write a number with a unit, such as 20ms, 5s, 10m, 1h or 7d", text)
	}
	if value < 0 {
		return 0, fmt.Errorf("%s is negative; write 0s or more", text)
	}
	return value, nil
}
