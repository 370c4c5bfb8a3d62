package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCPUProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	failed := errors.New("from inside")
	require.ErrorIs(t, profiled(file, func() error { return failed }), failed)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Greater(t, len(b), 2)
	assert.Equal(t, []byte{0x1f, 0x8b}, b[:2], "pprof's format is gzip of a protobuf")
	require.NoError(t, profiled("", func() error { return nil }))
	require.ErrorContains(t, profiled(filepath.Join(t.TempDir(), "no", "such"), func() error { return nil }), "cpu-profile")
}
