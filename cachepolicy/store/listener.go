package store

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// heartbeat is how long the subscription may be silent before it is asked for a sign of life, and how long that may take.
// An instance cut off without notice serves its own tier for up to twice this long.
const heartbeat = 500 * time.Millisecond

// listen keeps the in-process tier of this instance true to writes through others. It returns when ctx ends.
func (s *Store) listen(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := s.hear(ctx)
		lost := s.deafen()
		if ctx.Err() != nil {
			return
		}
		s.metrics.redisError(opSubscribe)
		if lost {
			s.log.Warn("subscription to invalidations lost, the in-process cache is not used until it is back", zap.Error(err))
		}
		if time.Since(began) > steady {
			pause = firstPause
		}
		sleep(ctx, pause)
		pause = min(2*pause, longPause)
	}
}

// hear subscribes and applies messages until the connection fails.
func (s *Store) hear(ctx context.Context) error {
	sub := s.remote.client.Subscribe(ctx, s.remote.names.channel())
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // ends a Receive that waits
	defer stop()
	defer func() { _ = sub.Close() }()
	asked := false
	for {
		m, err := sub.ReceiveTimeout(ctx, heartbeat)
		if isTimeout(err) && !asked && s.hearing.Load() {
			if err = sub.Ping(ctx); err != nil {
				return err
			}
			asked = true
			continue
		}
		if err != nil {
			return err
		}
		asked = false
		switch m := m.(type) {
		case *redis.Subscription:
			s.undeafen()
		case *redis.Message:
			s.apply([]byte(m.Payload))
		case *redis.Pong:
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// deafen empties the in-process tier and takes it out of use; false if it was not in use.
func (s *Store) deafen() bool {
	lost := s.hearing.Swap(false)
	if lost {
		s.forget(originLost)
	}
	return lost
}

// undeafen puts the in-process tier into use. What began before may rest on a write that was not heard of.
func (s *Store) undeafen() {
	s.schema("")
	s.forget(originLost)
	s.hearing.Store(true)
}

// apply carries out another instance's invalidation. One that cannot be read is taken for an invalidation of everything.
func (s *Store) apply(payload []byte) {
	sender, tables, ok := readMessage(payload)
	switch {
	case !ok:
		s.metrics.rubbish.Inc()
		s.schema("")
		s.forget(originLost)
	case sender != s.remote.instance:
		s.metrics.invalidation(originThere)
		for _, t := range tables {
			if t.Rel == cachepolicy.SchemaRel {
				s.schema(t.Database)
			}
		}
		s.clock.change(tables)
	}
}

// appendMessage writes the sender and the tables that changed.
func appendMessage(b []byte, sender string, tables []cachepolicy.Table) []byte {
	b = appendBytes(b, []byte(sender))
	b = binary.BigEndian.AppendUint32(b, uint32(len(tables)))
	for _, t := range tables {
		b = appendBytes(b, []byte(t.Database))
		b = binary.BigEndian.AppendUint32(b, uint32(t.Rel))
	}
	return b
}

func readMessage(b []byte) (sender string, tables []cachepolicy.Table, ok bool) {
	d := decoder{rest: b}
	sender = string(d.bytes())
	tables = make([]cachepolicy.Table, d.count(8))
	for i := range tables {
		tables[i] = cachepolicy.Table{Database: string(d.bytes()), Rel: catalog.RelID(d.uint32())}
	}
	return sender, tables, d.failed == "" && len(d.rest) == 0 && sender != ""
}
