package configs

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDiffTellsLiveFromRestart(t *testing.T) {
	before, after := Default(), Default()
	live, restart := Diff(&before, &after)
	assert.Empty(t, live)
	assert.Empty(t, restart)

	after.Router.Classes.OLAP.TTL = time.Hour
	after.Log.Level = "debug"
	after.Log.Format = "json"
	after.Proxy.Listen = []string{"127.0.0.1:1"}
	after.Proxy.Control.Password = "x"
	live, restart = Diff(&before, &after)
	assert.Equal(t, []string{"classes.olap.ttl", "log.level"}, live)
	assert.Equal(t, []string{"control.password", "listen", "log.format"}, restart)
}

func TestLiveKeysExist(t *testing.T) {
	known := map[string]bool{}
	c := Default()
	eachKey(reflect.ValueOf(&c).Elem(), "", func(path string, _ reflect.Value) { known[path] = true })
	for _, key := range liveKeys {
		assert.True(t, known[key], "%s is not a key", key)
	}
}

// eachKey visits every key of the structs below v, sections included.
func eachKey(v reflect.Value, path string, visit func(string, reflect.Value)) {
	f := fieldsOf(v)
	for _, name := range f.names {
		for _, place := range f.places[name] {
			visit(join(path, name), place)
			if place.Kind() == reflect.Struct && !isScalar(place) {
				eachKey(place, join(path, name), visit)
			}
		}
	}
}
