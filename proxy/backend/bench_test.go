package backend

import (
	"context"
	"testing"
	"time"
)

func BenchmarkAcquireRelease(b *testing.B) {
	ps := newPools(b, testConfig(nil), (&fakeServer{}).dial)
	p := ps.Pool(testKey)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		c, err := p.Acquire(ctx, nil, Empty)
		if err != nil {
			b.Fatal(err)
		}
		ps.Release(c, true)
	}
}

// BenchmarkAcquireReleaseByKey adds the look-up of the pool.
func BenchmarkAcquireReleaseByKey(b *testing.B) {
	ps := newPools(b, testConfig(nil), (&fakeServer{}).dial)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		c, err := ps.Acquire(ctx, testKey, nil, Empty)
		if err != nil {
			b.Fatal(err)
		}
		ps.Release(c, true)
	}
}

// BenchmarkHandOver has 16 clients take turns on one connection.
func BenchmarkHandOver(b *testing.B) {
	ps := newPools(b, testConfig(func(c *Config) { c.MaxConnections, c.AcquireTimeout = 1, time.Minute }), (&fakeServer{}).dial)
	p := ps.Pool(testKey)
	ctx := context.Background()
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := p.Acquire(ctx, nil, Empty)
			if err != nil {
				b.Error(err)
				return
			}
			ps.Release(c, true)
		}
	})
}

// BenchmarkProbe is what looking at an idle connection costs.
func BenchmarkProbe(b *testing.B) {
	c, err := Dial(context.Background(), DialConfig{Addr: servers.Primary().Addr(), Database: "postgres", User: "postgres"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	b.ReportAllocs()
	for b.Loop() {
		if !c.probe() {
			b.Fatal("dead")
		}
	}
}
