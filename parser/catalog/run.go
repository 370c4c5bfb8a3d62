package catalog

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	loadTimeout   = time.Minute
	closeTimeout  = 5 * time.Second
	parallelLoads = 4
	backoffFirst  = 100 * time.Millisecond
	backoffLast   = 10 * time.Second
	missInterval  = time.Second // between loads for the sake of unknown names
	idleIntervals = 20          // refresh intervals without use after which a database is forgotten
	staleAfter    = 20          // refresh intervals for which a snapshot is good while loads fail
)

// Run loads in the background until ctx ends, and returns when all loads have ended.
func (c *Catalog) Run(ctx context.Context) error {
	var loads errgroup.Group
	loads.SetLimit(parallelLoads)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = loads.Wait() // loads report their errors themselves
			return ctx.Err()
		case <-c.wake:
		case <-timer.C:
		}
		next := c.tick(ctx, time.Now(), &loads)
		timer.Reset(time.Until(next))
	}
}

// tick starts the loads that are due and returns when to look again.
func (c *Catalog) tick(ctx context.Context, now time.Time, loads *errgroup.Group) time.Time {
	next := now.Add(c.cfg.RefreshInterval)
	for _, d := range *c.databases.Load() {
		idle := d.idle(now)
		if idle > idleIntervals*c.cfg.RefreshInterval {
			c.drop(d)
			continue
		}
		start, at := d.take(now)
		if !at.IsZero() && at.Before(next) {
			next = at
		}
		if start && !loads.TryGo(func() error { c.background(ctx, d); return nil }) {
			d.done() // others run; they nudge when they end
		}
	}
	return next
}

func (c *Catalog) background(ctx context.Context, d *database) {
	defer c.nudge()
	defer d.done()
	_, _ = c.load(ctx, d) // logged and retried there
}

// load loads once. It reports whether what it loaded is in force: not if Invalidate came in between.
func (c *Catalog) load(ctx context.Context, d *database) (current bool, err error) {
	select {
	case d.gate <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-d.gate }()
	began := time.Now()
	epoch, last := d.begin(began, c.cfg.RefreshInterval)
	s, err := c.read(ctx, d.name, last)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	c.deps.Metrics.loaded(time.Since(began), err)
	if err != nil {
		if d.fail(err, time.Now(), staleAfter*c.cfg.RefreshInterval) {
			c.deps.Log.Warn("catalog not loaded", zap.String("database", d.name), zap.Error(err))
		}
		return false, fmt.Errorf("load catalog of %q: %w", d.name, err)
	}
	return d.publish(s, epoch, began), nil
}

// read opens a connection, reads a snapshot or finds the last one unchanged, and closes the connection.
func (c *Catalog) read(ctx context.Context, db string, last *snapshot) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	conn, err := c.deps.Connect(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s, err := loadSnapshot(ctx, conn, last)
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer done()
	if cerr := conn.Close(closing); err == nil && cerr != nil {
		c.deps.Log.Debug("connection not closed cleanly", zap.Error(cerr))
	}
	return s, err
}
