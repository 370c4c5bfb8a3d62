package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// The other sessions on the pool: each has settings of its own that would ruin any file of the suite if they leaked, and asks
// for them again and again, which moves the suite's session from one server connection to another. SHOW takes no snapshot and
// no lock, so that the suite does not notice them on a direct connection either.
var noises = []map[string]string{
	{"DateStyle": "SQL, DMY", "search_path": "pg_catalog", "role": "pg_monitor", "extra_float_digits": "-3"},
	{"TimeZone": "Asia/Kathmandu", "IntervalStyle": "iso_8601", "bytea_output": "escape", "standard_conforming_strings": "off"},
}

const noisePause = 3 * time.Millisecond

// makeNoise starts the other sessions on both sides. The returned function ends them and adds to the score what they saw.
func (b *bench) makeNoise(ctx context.Context) (stop func(*score) error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	stop = func(sc *score) error {
		cancel()
		err := group.Wait()
		if err != nil && sc != nil {
			sc.failures = append(sc.failures, err.Error())
			return nil
		}
		return err
	}
	for i := range b.suite.noise {
		settings := noises[i%len(noises)]
		for _, s := range b.sides {
			conn, err := pgx.Connect(ctx, s.dsn(b.suite.database))
			if err == nil {
				err = setAll(ctx, conn, settings)
			}
			if err != nil {
				return nil, errors.Join(err, stop(nil))
			}
			group.Go(func() error {
				err := noise(ctx, conn, settings)
				_ = conn.Close(context.WithoutCancel(ctx))
				if err != nil {
					return fmt.Errorf("another session, %s: %w", s.name, err)
				}
				return nil
			})
		}
	}
	return stop, nil
}

func setAll(ctx context.Context, conn *pgx.Conn, settings map[string]string) error {
	for name, value := range settings {
		if name == "search_path" || name == "role" {
			value = `"` + value + `"`
		} else {
			value = "'" + value + "'"
		}
		if _, err := conn.Exec(ctx, "SET "+name+" TO "+value, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// noise asks for the session's settings until ctx ends; each has to be what the session made it.
func noise(ctx context.Context, conn *pgx.Conn, settings map[string]string) error {
	tick := time.NewTicker(noisePause)
	defer tick.Stop()
	for {
		for name, want := range settings {
			got, err := show(context.WithoutCancel(ctx), conn, name)
			if err != nil {
				return err
			}
			if !strings.EqualFold(got, want) {
				return fmt.Errorf("%s is %q, was set to %q", name, got, want)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}

// show asks by the simple protocol, which pgx's own way refuses under such settings.
func show(ctx context.Context, conn *pgx.Conn, name string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, "SHOW "+name).ReadAll()
	if err != nil {
		return "", err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return "", fmt.Errorf("no single answer to SHOW %s", name)
	}
	return string(results[0].Rows[0][0]), nil
}
