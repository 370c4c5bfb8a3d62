package parser_test

import (
	"strconv"
	"testing"

	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/pgquery"
)

const (
	shortText = "SELECT abalance FROM pgbench_accounts WHERE aid = "
	longText  = `SELECT date_trunc('hour', e.created_at) AS hour, u.country, count(*), avg(e.amount)
FROM events e JOIN users u ON u.id = e.user_id
WHERE e.created_at >= '2024-01-01' AND e.created_at < '2024-02-01' AND e.kind IN ('a', 'b', 'c') AND u.country <> 'xx'
GROUP BY 1, 2 HAVING count(*) > 10 ORDER BY 1, 3 DESC LIMIT `
)

func BenchmarkExactHit(b *testing.B) {
	for name, text := range map[string]string{"short": shortText, "long": longText} {
		b.Run(name, func(b *testing.B) {
			m := parser.NewMemo(parser.DefaultConfig(), pgquery.New())
			sql := []byte(text + "1")
			m.Facts(sql)
			b.ReportAllocs()
			for b.Loop() {
				m.Facts(sql)
			}
		})
	}
}

func BenchmarkExactHitParallel(b *testing.B) {
	m := parser.NewMemo(parser.DefaultConfig(), pgquery.New())
	sql := []byte(shortText + "1")
	m.Facts(sql)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Facts(sql)
		}
	})
}

// BenchmarkNormalisedHit has a text of its own for every call, as applications do that write literals into their SQL.
func BenchmarkNormalisedHit(b *testing.B) {
	for name, text := range map[string]string{"short": shortText, "long": longText} {
		b.Run(name, func(b *testing.B) {
			m := parser.NewMemo(parser.DefaultConfig(), pgquery.New())
			sql, n := []byte(text), 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				m.Facts(strconv.AppendInt(sql[:len(text)], int64(n), 10))
			}
		})
	}
}

func BenchmarkMiss(b *testing.B) {
	for name, text := range map[string]string{"short": shortText, "long": longText} {
		b.Run(name, func(b *testing.B) {
			m := parser.NewMemo(parser.DefaultConfig(), pgquery.New())
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				m.Facts([]byte("WITH x" + strconv.Itoa(n) + " AS (SELECT 1) " + text + "1"))
			}
		})
	}
}
