package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what explain says into testdata/explain")

// A fingerprint is told apart from others, not known by heart: it changes with PostgreSQL's parser.
var fingerprint = regexp.MustCompile(`(?m)^(fingerprint +)[0-9a-f]{16}$`)

// The files hold the statement in their first line, behind "-- ", and then what explain says to it.
func TestExplainOfATextAlone(t *testing.T) {
	files, err := filepath.Glob("testdata/explain/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		first, want, _ := strings.Cut(string(text), "\n")
		got := aioproxy(t, "", "explain", strings.TrimPrefix(first, "-- "))
		got.out = fingerprint.ReplaceAllString(got.out, "${1}(16 digits)")
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(first+"\n"+got.out), 0o600))
			continue
		}
		assert.Equal(t, outcome{exitOK, want, ""}, got, file)
	}
}

func TestExplainReadsStandardInput(t *testing.T) {
	got := aioproxy(t, "DELETE FROM t WHERE id = 5", "explain", "-")
	assert.Equal(t, exitOK, got.code)
	assert.Contains(t, got.out, "target       primary (write: ")
	assert.NotContains(t, got.out, "5 ", "literals are not shown")
}

func TestExplainAsksTheCatalog(t *testing.T) {
	execute(t, "postgres", "CREATE DATABASE explained")
	t.Cleanup(func() { execute(t, "postgres", "DROP DATABASE explained WITH (FORCE)") })
	execute(t, "explained", `
		CREATE SCHEMA shop;
		ALTER DATABASE explained SET search_path = shop;
		CREATE TABLE shop.orders (id int, amount int, at date) PARTITION BY RANGE (at);
		CREATE TABLE shop.orders_1 PARTITION OF shop.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
		INSERT INTO shop.orders SELECT i, i, '2025-06-01' FROM generate_series(1, 50000) i;
		CREATE VIEW shop.totals AS SELECT at, sum(amount) FROM shop.orders GROUP BY at;
		CREATE FUNCTION shop.note(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
		ANALYZE shop.orders, shop.orders_1`)
	explain := func(sql string, flags ...string) string {
		args := append([]string{"explain", "--nodes", strings.Join(bed.Addrs(), ","), "-d", "explained"}, flags...)
		got := aioproxy(t, "", append(args, sql)...)
		require.Equal(t, exitOK, got.code, got.err)
		return got.out
	}

	out := explain("SELECT at, count(*) FROM orders GROUP BY at")
	assert.Contains(t, out, "class        olap\ntarget       replica (class: ")
	assert.Contains(t, out, "cache        yes, for 5m0s\n")
	assert.Contains(t, out, "shop.orders, shop.orders_1")
	assert.Contains(t, out, "on "+bed.Primary().Addr()+" (primary), search_path shop")

	assert.Contains(t, explain("SELECT * FROM totals"), "shop.orders", "the table behind the view")
	assert.Contains(t, explain("SELECT sum(note(amount)) FROM orders"), "function_effects")
	assert.Contains(t, explain("SELECT count(*) FROM nothing"), "nothing")
	assert.Contains(t, explain("SELECT count(*) FROM orders", "--search-path", "public"), "unknown_name")
}

func TestExplainObeysRules(t *testing.T) {
	path := settingsFile(t, "rules:\n  - match: {role: report*}\n    class: olap\n    query_timeout: 1m\n")
	got := aioproxy(t, "", "explain", "--config", path, "--user", "reporting", "SELECT 1 + 1")
	require.Equal(t, exitOK, got.code, got.err)
	assert.Contains(t, got.out, "class        olap")
	assert.Contains(t, got.out, "rule         rules[0]")
	assert.Contains(t, got.out, "query_timeout=1m0s")
}

func TestExplainWithoutAnswer(t *testing.T) {
	got := aioproxy(t, "", "explain", "--nodes", freeAddress(t), "SELECT 1")
	assert.Equal(t, exitFailure, got.code)
	assert.Contains(t, got.err, "no node answers")
}
