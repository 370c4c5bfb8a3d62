package configs

import (
	"reflect"
	"strings"
)

// fields are the YAML keys of one mapping. A key that several rooms need (max_replica_lag) has several places and sets all.
type fields struct {
	names  []string // in the order of the structs
	places map[string][]reflect.Value
}

// fieldsOf lists the keys of a struct, those of inlined structs among them. A field without a yaml tag is no key.
func fieldsOf(v reflect.Value) fields {
	f := fields{places: map[string][]reflect.Value{}}
	f.add(v)
	return f
}

func (f *fields) add(v reflect.Value) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			f.add(v.Field(i))
		case name != "" && name != "-":
			if _, seen := f.places[name]; !seen {
				f.names = append(f.names, name)
			}
			f.places[name] = append(f.places[name], v.Field(i))
		}
	}
}
