package cluster

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// BenchmarkSource is what a read on a replica pays to know its source, with one caller and with many at a time.
func BenchmarkSource(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Nodes = bed.Addrs()
	c := New(cfg, Deps{Connect: connect, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry())})
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return c.Run(ctx) })
	defer func() {
		cancel()
		_ = g.Wait()
	}()
	if err := c.WaitChecked(ctx); err != nil {
		b.Fatal(err)
	}
	for name, req := range map[string]Requirement{"global": {}, "eventual": {Consistency: Eventual}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				src, _ := c.Source(ctx, req)
				src.Done()
			}
		})
		b.Run(name+"-32-at-a-time", func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					src, _ := c.Source(ctx, req)
					src.Done()
				}
			})
		})
	}
}
