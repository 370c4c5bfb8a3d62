package store

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// quiet takes what go-redis would write to the standard error, in a format of its own: every failed dial. It comes back as
// errors too, which the store counts and logs.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// silence replaces the logger of the library, which is one for all clients.
var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })
