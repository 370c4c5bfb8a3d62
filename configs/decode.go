package configs

import (
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder writes a parsed YAML document over a struct that holds the defaults. What the document does not mention stays,
// also inside maps of structs, which is what the library's own decoder does not do; and every complaint has its place.
type decoder struct {
	*report
	lookup  func(string) (string, bool)
	keys    map[string]*token.Token // path of every key read -> its place, for complaints that come later
	anchors map[string]ast.Node
}

// node decodes n into v. path is for messages, such as pool.max_connections.
func (d *decoder) node(n ast.Node, v reflect.Value, path string) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		d.node(n.Value, v, path)
		d.anchors[n.Name.GetToken().Value] = n.Value
		return
	case *ast.AliasNode:
		target, ok := d.anchors[n.Value.GetToken().Value]
		if !ok {
			d.at(n.Value.GetToken(), "no anchor &%s before this place", n.Value.GetToken().Value)
			return
		}
		d.node(target, v, path)
		return
	case *ast.TagNode:
		d.at(n.GetToken(), "%s: tags such as %s are not supported; leave it out", path, n.GetToken().Value)
		return
	}
	switch {
	case isScalar(v):
		d.scalar(n, v, path)
	case v.Kind() == reflect.Struct:
		d.mapping(n, path, "", func(pair *ast.MappingValueNode, key string) { d.field(pair, fieldsOf(v), key, path) })
	case v.Kind() == reflect.Map && isUnmarshaler(v):
		d.merged(n, v, path)
	case v.Kind() == reflect.Map:
		d.mapping(n, path, "name: ", func(pair *ast.MappingValueNode, key string) { d.entry(pair, v, key, path) })
	case v.Kind() == reflect.Slice:
		d.sequence(n, v, path)
	case v.Kind() == reflect.Pointer: // an optional value: nil is "not written"
		fresh := reflect.New(v.Type().Elem())
		d.node(n, fresh.Elem(), path)
		v.Set(fresh)
	}
}

// mapping calls each for every pair of n.
func (d *decoder) mapping(n ast.Node, path, example string, each func(*ast.MappingValueNode, string)) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode: // everything below the key is commented out
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		d.at(n.GetToken(), "%s takes keys; write them indented below it, as in `%skey: value`", orFile(path), example)
	}
	for _, pair := range pairs {
		tk := pair.Key.GetToken()
		if _, ok := pair.Key.(*ast.MergeKeyNode); ok {
			d.at(tk, "merge keys (<<) are not supported; write the keys out")
			continue
		}
		d.keys[join(path, tk.Value)] = tk
		each(pair, tk.Value)
	}
}

// field decodes one key of a struct.
func (d *decoder) field(pair *ast.MappingValueNode, known fields, key, path string) {
	places, ok := known.places[key]
	if !ok {
		where := ""
		if path != "" {
			where = " in " + path
		}
		d.at(pair.Key.GetToken(), "unknown key %q%s; %s", key, where, hint(key, known.names))
		return
	}
	for i, place := range places {
		before := len(d.problems)
		d.node(pair.Value, place, join(path, key))
		if i > 0 { // said already for the first place
			d.problems = d.problems[:before]
		}
	}
}

// entry decodes one key of a map over the default that the map has for it.
func (d *decoder) entry(pair *ast.MappingValueNode, v reflect.Value, key, path string) {
	value := reflect.New(v.Type().Elem()).Elem()
	name := reflect.ValueOf(key).Convert(v.Type().Key())
	if old := v.MapIndex(name); old.IsValid() {
		value.Set(old)
	}
	d.node(pair.Value, value, join(path, key))
	copied := reflect.MakeMapWithSize(v.Type(), v.Len()+1) // the default's map may be shared
	for it := v.MapRange(); it.Next(); {
		copied.SetMapIndex(it.Key(), it.Value())
	}
	copied.SetMapIndex(name, value)
	v.Set(copied)
}

// merged hands a map of scalars to a type that lays it over its default by rules of its own.
func (d *decoder) merged(n ast.Node, v reflect.Value, path string) {
	words := map[string]string{}
	d.mapping(n, path, "name: ", func(pair *ast.MappingValueNode, key string) {
		d.entry(pair, reflect.ValueOf(&words).Elem(), key, path)
	})
	err := v.Addr().Interface().(unmarshaler).UnmarshalYAML(func(dst any) error {
		switch dst := dst.(type) {
		case *map[string]string:
			*dst = words
		case *map[string]any:
			*dst = make(map[string]any, len(words))
			for name, word := range words {
				(*dst)[name] = word
			}
		default:
			return fmt.Errorf("cannot be read into %T", dst)
		}
		return nil
	})
	if err != nil {
		d.at(place(n), "%s: %s", path, err)
	}
}

// sequence decodes a list; one scalar stands for a list of one.
func (d *decoder) sequence(n ast.Node, v reflect.Value, path string) {
	var items []ast.Node
	switch n := n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return
	case *ast.SequenceNode:
		items = n.Values
	default:
		if !isScalar(reflect.New(v.Type().Elem()).Elem()) {
			d.at(place(n), "%s is a list; write every item on a line of its own that begins with `- `", path)
			return
		}
		items = []ast.Node{n}
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		element := fmt.Sprintf("%s[%d]", path, i)
		d.keys[element] = place(item)
		d.node(item, list.Index(i), element)
	}
	v.Set(list)
}

// place is where a reader would say that n begins: the library's token of a mapping is its first colon.
func place(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return place(n.Values[0])
		}
	}
	return n.GetToken()
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orFile(path string) string {
	if path == "" {
		return "the configuration"
	}
	return path
}
