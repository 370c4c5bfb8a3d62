package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// token is the version of a table in Redis: random, so that no two are ever equal. An entry is valid as long as the
// tokens of all that it depends on are those that were there before its query began. A write deletes the token; who fills
// makes a new one. So a token that was evicted, or that nobody needs, costs misses and nothing else.
type token uint64

// tokenTTL bounds how long tokens of tables that nobody reads any more stay in Redis.
const tokenTTL = 24 * time.Hour

func newToken() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// parseToken reads a value of MGET: nil when the key is missing.
func parseToken(v any) (token, bool) {
	s, ok := v.(string)
	if !ok || len(s) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 64)
	return token(n), err == nil
}

// names builds the keys of one namespace. The braces put all of them into one hash slot, so that they can be read together.
type names struct{ prefix string }

func newNames(namespace string) names { return names{prefix: "aioproxy:{" + namespace + "}:"} }

// entry has the format version in the name, so that two releases of aioproxy do not delete each other's entries.
func (n names) entry(key cachepolicy.Key) string {
	return n.prefix + "e" + strconv.Itoa(formatVersion) + ":" + hex.EncodeToString(key[:])
}

func (n names) token(t cachepolicy.Table) string {
	return n.prefix + "t:" + t.Database + ":" + strconv.FormatUint(uint64(t.Rel), 10)
}

func (n names) tokens(dst []string, tables []cachepolicy.Table) []string {
	for _, t := range tables {
		dst = append(dst, n.token(t))
	}
	return dst
}

// process holds the run id of the Redis process whose data was last found good.
func (n names) process() string { return n.prefix + "process" }
func (n names) channel() string { return n.prefix + "invalidate" }

func newClient(cfg RedisConfig, n names) *redis.Client {
	silence()
	return redis.NewClient(&redis.Options{
		Addr:                  cfg.Address,
		Username:              cfg.Username,
		Password:              cfg.Password,
		DB:                    cfg.Database,
		Protocol:              2,
		PoolSize:              cfg.MaxConnections,
		PipelinePoolSize:      -1, // none: it would come on top of max_connections
		DialTimeout:           cfg.InvalidateTimeout,
		ReadTimeout:           max(cfg.Timeout, cfg.InvalidateTimeout),
		WriteTimeout:          max(cfg.Timeout, cfg.InvalidateTimeout),
		PoolTimeout:           max(cfg.Timeout, cfg.InvalidateTimeout),
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // a retry would wait twice; a lookup that fails is a miss
		DialerRetries:         1,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
		OnConnect: func(ctx context.Context, cn *redis.Conn) error { return checkProcess(ctx, cn, n) },
	})
}

var errNoRunID = errors.New("redis does not tell its run_id (INFO server), without which a restart cannot be noticed")

// checkProcess runs on each new connection before anything else. A Redis that was restarted from a snapshot, or a replica
// that took over, may have forgotten the latest invalidations while it remembers older entries. It has another run id than
// the process whose data was last found good; then the version of everything is dropped, which voids all entries.
func checkProcess(ctx context.Context, cn *redis.Conn, n names) error {
	info, err := cn.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	runID := field(info, "run_id:")
	if runID == "" {
		return errNoRunID
	}
	known, err := cn.Get(ctx, n.process()).Result()
	if err != nil && !errors.Is(err, redis.Nil) && !isReply(err) {
		return err
	}
	if known == runID {
		return nil
	}
	_, err = cn.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, n.token(cachepolicy.Everything))
		p.Set(ctx, n.process(), runID, 0)
		return nil
	})
	return err
}

func field(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// isReply reports whether Redis answered, with an error (WRONGTYPE, OOM, ...): the connection is fine.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
