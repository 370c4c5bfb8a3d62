package main

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/aioproxy/aioproxy/configs"
)

// levelledCore lets a reload change the level of a logger that was handed out.
type levelledCore struct {
	zapcore.Core
	level zap.AtomicLevel
}

// newLogger writes to w as the configuration says.
func newLogger(cfg configs.LogConfig, w io.Writer) (*zap.Logger, error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, err
	}
	fields := zap.NewProductionEncoderConfig()
	fields.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder := zapcore.NewJSONEncoder(fields)
	if cfg.Format == "console" {
		fields.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(fields)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)
	return zap.New(levelledCore{core, level}), nil
}

// setLevelOf returns what changes the level of the logger that newLogger returned and of all loggers derived from it.
func setLevelOf(logger *zap.Logger) func(level string) error {
	return func(name string) error {
		level, err := zapcore.ParseLevel(name)
		if err != nil {
			return err
		}
		if core, ok := logger.Core().(levelledCore); ok {
			core.level.SetLevel(level)
		}
		return nil
	}
}
