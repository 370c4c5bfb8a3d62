package store

import (
	"context"
	"strings"
	"testing"
)

func BenchmarkHitMemory(b *testing.B) {
	s, on, ctx := open(b, memoryConfig()), tables(1, 2), context.Background()
	fill(b, s, key1, on, strings.Repeat("x", 200))
	s.Invalidate(ctx, tables(7)) // so that the changes are looked at
	b.ReportAllocs()
	for b.Loop() {
		if _, st := s.Get(ctx, key1, on); st != HitMemory {
			b.Fatal(st)
		}
	}
}

func BenchmarkHitMemoryParallel(b *testing.B) {
	s, on, ctx := open(b, memoryConfig()), tables(1, 2), context.Background()
	fill(b, s, key1, on, strings.Repeat("x", 200))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, st := s.Get(ctx, key1, on); st != HitMemory {
				b.Fatal(st)
			}
		}
	})
}

func BenchmarkHitRedis(b *testing.B) {
	for name, rows := range map[string]string{"200B": strings.Repeat("x", 200), "64KiB": strings.Repeat("0123456789abcdef", 4096)} {
		b.Run(name, func(b *testing.B) {
			s, on, ctx := open(b, redisConfig(b)), tables(1, 2), context.Background()
			fill(b, s, key1, on, rows)
			b.Run("entry", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					forgetLocally(s)
					if _, st := s.Get(ctx, key1, on); st != HitRedis {
						b.Fatal(st)
					}
				}
			})
			b.Run("bareGet", func(b *testing.B) {
				name := s.remote.names.entry(key1)
				b.ReportAllocs()
				for b.Loop() {
					if err := s.remote.client.Get(ctx, name).Err(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkInvalidateRedis(b *testing.B) {
	s, on, ctx := open(b, redisConfig(b)), tables(1, 2), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s.Invalidate(ctx, on)
	}
}
