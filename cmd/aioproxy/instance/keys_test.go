package instance_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

// effect shows on a running aioproxy that keys of the configuration are obeyed.
type effect struct {
	name string
	keys []string
	show func(t *testing.T)
}

// shownElsewhere are keys whose effect a test of their own room shows: directory and name of that test.
var shownElsewhere = map[string]string{
	"cache.redis.timeout":            "cachepolicy/store.TestASlowRedisDoesNotSlowQueries",
	"cache.redis.invalidate_timeout": "cachepolicy/store.TestAnUndeliveredInvalidation",
	"deferred_begin":                 "cmd/aioproxy/instance.TestKeyDeferredBegin",
	"parser.max_entries":             "parser.TestMemoryIsBounded",
	"parser.max_memory":              "parser.TestMemoryIsBounded",
	"log.format":                     "cmd/aioproxy.TestConsoleLog",
}

// TestEveryKeyIsObeyed shows for every key of the configuration that its value makes a difference. A new key without a
// test, and a test of a key that is gone, fail it.
func TestEveryKeyIsObeyed(t *testing.T) {
	keysSample(t)
	effects := slices.Concat(clientEffects(), nodeEffects(), poolEffects(), classEffects(), ruleEffects(), judgeEffects(), cacheEffects())
	shown := map[string]bool{}
	for _, e := range effects {
		for _, key := range e.keys {
			shown[key] = true
		}
	}
	for key, test := range shownElsewhere {
		assert.True(t, testExists(t, test), "%s: there is no %s", key, test)
		shown[key] = true
	}
	known := configurationKeys()
	t.Logf("%d keys, %d effects", len(known), len(effects))
	for _, key := range known {
		assert.True(t, shown[key], "no test shows what %s does", key)
		delete(shown, key)
	}
	assert.Empty(t, shown, "tests of keys that do not exist")
	for _, e := range effects {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.show(t)
		})
	}
}

// configurationKeys are the paths of all keys that have a value. rules[] stands for every rule.
func configurationKeys() []string {
	var keys []string
	add := func(key string) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	eachLeaf(reflect.TypeFor[configs.Config](), "", add)
	slices.Sort(keys)
	return keys
}

// eachLeaf follows the yaml tags as package configs does.
func eachLeaf(typ reflect.Type, path string, found func(string)) {
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		below := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case options == "inline":
			eachLeaf(field.Type, path, found)
		case name == "" || name == "-":
		case field.Type.Kind() == reflect.Struct:
			eachLeaf(field.Type, below, found)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			eachLeaf(field.Type.Elem(), below+"[]", found)
		default:
			found(below)
		}
	}
}

// testExists reports whether a directory of the repository has a test function; both are written as dir.TestName.
func testExists(t *testing.T, name string) bool {
	t.Helper()
	dir, function, ok := strings.Cut(name, ".")
	require.True(t, ok, name)
	files, err := filepath.Glob(filepath.Join("..", "..", "..", filepath.FromSlash(dir), "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == function {
				return true
			}
		}
	}
	return false
}

// keysDB is the database that all effects share. Its tables hold0, hold1, ... are there to be locked by one effect each.
const keysDB = "keys"

func keysSample(t *testing.T) {
	t.Helper()
	statements := []string{itemsSchema, `
CREATE TABLE big (id int PRIMARY KEY, text text);
INSERT INTO big SELECT i, repeat('x', 100000) FROM generate_series(1, 40) i;
CREATE FUNCTION noisy(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'work_mem is %', current_setting('work_mem'); RETURN i; END $$;
CREATE TABLE noise (id int);
INSERT INTO noise VALUES (1);
CREATE TABLE noise_indexed (id int);
CREATE INDEX ON noise_indexed (noisy(id));
INSERT INTO noise_indexed VALUES (1);`}
	for i := range holdTables {
		statements = append(statements, fmt.Sprintf("CREATE TABLE hold%d AS SELECT * FROM items", i))
	}
	sample(t, bed, keysDB, append(statements, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC", "ANALYZE")...)
}
