package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The row of a million, about 100 bytes each.
const bulkRows = "SELECT i, md5(i::text), repeat('x', 60) FROM generate_series(1, 1000000) i"

func bulkSelect(ctx context.Context, b *bench, t *target) (sample, error) {
	return b.bulk(ctx, t, "SELECT * FROM bulk", "")
}

func bulkCopyOut(ctx context.Context, b *bench, t *target) (sample, error) {
	return b.bulk(ctx, t, "COPY bulk TO STDOUT", "")
}

func bulkCopyIn(ctx context.Context, b *bench, t *target) (sample, error) {
	file := filepath.Join(b.dir, "bulk.copy")
	if _, err := os.Stat(file); err != nil {
		direct := b.direct()
		if _, err := direct.run(ctx, "psql", "-qX", "-c", "\\copy bulk TO '"+file+"'"); err != nil {
			return nil, err
		}
	}
	defer func() {
		_, _ = b.direct().run(ctx, "psql", "-qX", "-c", "TRUNCATE bulk_in")
	}()
	return b.bulk(ctx, t, "\\copy bulk_in FROM '"+file+"'", file)
}

// bulk moves the table through a target with psql, in single rows as they come.
func (b *bench) bulk(ctx context.Context, t *target, command, file string) (sample, error) {
	size, err := b.bulkSize(ctx, file)
	if err != nil {
		return nil, err
	}
	m, err := startMeter(t.pid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	args := []string{"-qXAt", "-v", "FETCH_COUNT=0", "-o", os.DevNull, "-c", command}
	if _, err := t.run(ctx, "psql", args...); err != nil {
		return nil, err
	}
	elapsed := time.Since(began)
	cpu, _, err := m.stop()
	if err != nil {
		return nil, err
	}
	s := sample{megabytes: size / elapsed.Seconds()}
	if t.daemon != nil {
		s[cpuPerMB] = float64(cpu.Microseconds()) / 1000 / size
	}
	return s, nil
}

// bulkSize is how much is moved, in MB: of the file, or of the rows as COPY writes them.
func (b *bench) bulkSize(ctx context.Context, file string) (float64, error) {
	if file != "" {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		return float64(info.Size()) / 1e6, nil
	}
	direct := b.direct()
	out, err := direct.run(ctx, "psql", "-qXAt", "-c", "SELECT sum(length(i::text) + length(md5) + length(repeat) + 3) FROM bulk")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		return 0, fmt.Errorf("size of the bulk table: %w", err)
	}
	return n / 1e6, nil
}
