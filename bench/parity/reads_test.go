package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadsOf(t *testing.T) {
	script := `-- a comment; with select
CREATE TABLE t (i int);
SELECT 1;
SELECT a,
  b FROM t -- why;
WHERE c;
SELECT * INTO x FROM t;
INSERT INTO t
SELECT 2;
SELECT :'v';
SELECT now();
with x as (values (1)) table x;  -- end
SELECT 'never ends
`
	require.Equal(t, []string{
		"SELECT 1;\n", "SELECT a,\n  b FROM t -- why;\nWHERE c;\n", "SELECT 2;\n", "with x as (values (1)) table x;  -- end\n",
	}, readsOf(script))
}
