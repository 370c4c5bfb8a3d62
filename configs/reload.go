package configs

import (
	"reflect"
	"slices"
	"strings"
)

// liveKeys are the keys that a reload applies while the program runs, with everything below them. What a reload does is
// wired in cmd/aioproxy; the two must agree.
var liveKeys = []string{
	"consistency", "classes", "rules", "shape", "experience.slow", "experience.fast", "experience.calls",
	"max_replica_lag", "replica_wait",
	"pool",
	"max_clients", "login_timeout", "shutdown_timeout", "admin_users", "stats_users",
	"log.level",
}

// Diff names the keys whose values differ: those that a reload applies and those that need a restart. Both are sorted.
func Diff(before, after *Config) (live, restart []string) {
	differing(reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem(), "", func(key string) {
		if isLive(key) {
			live = append(live, key)
		} else {
			restart = append(restart, key)
		}
	})
	slices.Sort(live)
	slices.Sort(restart)
	return slices.Compact(live), slices.Compact(restart)
}

func isLive(key string) bool {
	return slices.ContainsFunc(liveKeys, func(live string) bool {
		return key == live || strings.HasPrefix(key, live+".")
	})
}

// differing calls found for every key below path whose value is not the same. Lists and maps are compared as a whole.
func differing(a, b reflect.Value, path string, found func(string)) {
	if a.Kind() != reflect.Struct || isScalar(a) {
		if empty(a) && empty(b) {
			return
		}
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			found(path)
		}
		return
	}
	before, after := fieldsOf(a), fieldsOf(b)
	for _, name := range before.names {
		for i, place := range before.places[name] {
			differing(place, after.places[name][i], join(path, name), found)
		}
	}
}

// empty: whether a list or map is nil or has nothing in it makes no difference.
func empty(v reflect.Value) bool {
	return (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0
}
