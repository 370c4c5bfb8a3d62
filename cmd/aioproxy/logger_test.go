package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/configs"
)

func TestLogLevelChangesForLoggersHandedOut(t *testing.T) {
	var out strings.Builder
	logger, err := newLogger(configs.LogConfig{Level: "info", Format: "json"}, &out)
	require.NoError(t, err)
	child := logger.Named("room")
	child.Debug("unseen")
	require.NoError(t, setLevelOf(logger)(configs.LogConfig{Level: "debug"}.Level))
	child.Debug("seen")
	assert.NotContains(t, out.String(), "unseen")
	assert.Contains(t, out.String(), `"msg":"seen"`)
	assert.Error(t, setLevelOf(logger)(configs.LogConfig{Level: "loud"}.Level))
}

func TestConsoleLog(t *testing.T) {
	var out strings.Builder
	logger, err := newLogger(configs.LogConfig{Level: "warn", Format: "console"}, &out)
	require.NoError(t, err)
	logger.Warn("look here")
	assert.Regexp(t, `^\d{4}-\d\d-\d\dT\S+\tWARN\tlook here\n$`, out.String())
}
