package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/proxy/admin"
	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/proxy/pgwire"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// Deps are the rooms that a proxy works with. All are required but TLS.
type Deps struct {
	Log           *zap.Logger
	Memo          *parser.Memo
	Catalog       *catalog.Catalog
	Router        *router.Router
	Cluster       *cluster.Cluster
	Policy        *cachepolicy.Policy
	Store         *store.Store
	MaxResultSize int64 // bytes; larger results are not recorded
	Pools         *backend.Pools
	PrimaryWait   time.Duration // how long a write waits for a primary to appear
	Auth          *auth.Authenticator
	Metrics       *Metrics
	TLS           *tls.Config // towards clients; nil: not offered
	Version       string      // of this program, for the console
}

// Proxy accepts clients and runs their sessions. Safe for concurrent use.
type Proxy struct {
	cfg           atomic.Pointer[Config]
	log           *zap.Logger
	memo          *parser.Memo
	catalog       *catalog.Catalog
	router        *router.Router
	cluster       *cluster.Cluster
	policy        *cachepolicy.Policy
	store         *store.Store
	maxResultSize int
	pools         *backend.Pools
	primaryWait   atomic.Int64 // ns
	auth          *auth.Authenticator
	metrics       *Metrics
	tls           *tls.Config

	version     string
	commands    []admin.Command // of the console
	statements  interned
	serverNames serverNames
	welcomes    welcomes
	logins      logins
	proven      proven
	classes     classes
	sessions    registry
	tenants     atomic.Uint64 // the last ID given
	bereaved    bereaved
	currvals    currvals
	generation  atomic.Uint64 // of the schema, as far as DDL passed here
	// plancacheLine is where PostgreSQL's source raises fixedResult; 0 while no server has said so.
	plancacheLine atomic.Int64
	ticks         atomic.Int64 // of the watcher
	draining      atomic.Bool  // no new clients; sessions end when they are idle
	forced        atomic.Bool  // sessions end now
	background    context.Context

	listeners []net.Listener
	work      sync.WaitGroup
}

// New returns a proxy that listens nowhere yet.
func New(cfg Config, deps Deps) *Proxy {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	p := &Proxy{
		log: deps.Log.Named("proxy"), memo: deps.Memo, catalog: deps.Catalog, router: deps.Router, cluster: deps.Cluster,
		policy: deps.Policy, store: deps.Store, maxResultSize: int(deps.MaxResultSize), pools: deps.Pools,
		auth: deps.Auth, metrics: deps.Metrics, tls: deps.TLS, version: deps.Version,
		background: context.Background(),
	}
	if cfg.TLS.Mode == "disable" {
		p.tls = nil
	}
	p.serverNames.prefix = "aioproxy_" + hex.EncodeToString(random[:]) + "_"
	p.ticks.Store(1) // 0 stands for "not waiting"
	p.cfg.Store(&cfg)
	p.Reload(cfg, deps.PrimaryWait)
	p.sessions.init()
	p.commands = admin.Commands(consoleSource{p})
	return p
}

func (p *Proxy) config() *Config { return p.cfg.Load() }

// forever stands for a wait without a limit.
const forever = time.Duration(math.MaxInt64 / 2)

// Reload puts parts of another configuration in force: max_clients, the timeouts, who may use the console, and how long a write
// waits for a primary and a statement for a place of its class (0: for ever).
func (p *Proxy) Reload(cfg Config, primaryWait time.Duration) {
	if primaryWait == 0 {
		primaryWait = forever
	}
	next := *p.config()
	next.MaxClients, next.LoginTimeout, next.ShutdownTimeout = cfg.MaxClients, cfg.LoginTimeout, cfg.ShutdownTimeout
	next.AdminUsers, next.StatsUsers = cfg.AdminUsers, cfg.StatsUsers
	p.cfg.Store(&next)
	p.primaryWait.Store(int64(primaryWait))
}

// Listen opens the addresses of the configuration. After an error nothing is left open.
func (p *Proxy) Listen(ctx context.Context) error {
	for _, addr := range p.config().Listen {
		l, err := listen(ctx, addr)
		if err != nil {
			p.closeListeners()
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
		p.listeners = append(p.listeners, l)
	}
	return nil
}

// Addrs are the addresses that are listened on.
func (p *Proxy) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(p.listeners))
	for i, l := range p.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// listen opens host:port, or unix:DIR with the socket's name as PostgreSQL makes it.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	dir, unix := strings.CutPrefix(addr, "unix:")
	if !unix {
		return lc.Listen(ctx, "tcp", addr)
	}
	path := dir
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		path = filepath.Join(dir, ".s.PGSQL.6432")
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, errors.New("another program listens there")
	}
	_ = os.Remove(path) // left by a program that died
	return lc.Listen(ctx, "unix", path)
}

func (p *Proxy) closeListeners() {
	for _, l := range p.listeners {
		_ = l.Close()
	}
}

// Serve accepts clients until ctx ends, then stops: running transactions get shutdown_timeout, idle sessions none.
func (p *Proxy) Serve(ctx context.Context) error {
	sessions, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	for _, l := range p.listeners {
		p.work.Go(func() { p.accept(sessions, l) })
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watcher sync.WaitGroup
	watcher.Go(func() { p.watch(watching) })
	<-ctx.Done()
	p.drain(cut)
	stop()
	watcher.Wait()
	return nil
}

func (p *Proxy) drain(cut context.CancelCauseFunc) {
	p.draining.Store(true)
	p.closeListeners()
	done := make(chan struct{})
	var waiter sync.WaitGroup
	waiter.Go(func() { p.work.Wait(); close(done) })
	p.sessions.each(func(s *Session) { s.wake(wakeShutdown) })
	timer := time.NewTimer(p.config().ShutdownTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.forced.Store(true)
		cut(errShutdown)
		p.sessions.each((*Session).force)
	}
	waiter.Wait()
}

var errShutdown = errors.New("aioproxy is shutting down")

// accept runs a session per client. A lack of file descriptors ends by itself; until then others shall live.
func (p *Proxy) accept(ctx context.Context, l net.Listener) {
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			p.work.Go(func() { p.serve(ctx, nc) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // an open set
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			p.log.Warn("cannot accept", zap.Error(err))
			if !waitFor(ctx, pause) {
				return
			}
		}
	}
}

func (p *Proxy) serve(ctx context.Context, nc net.Conn) {
	wire := pgwire.NewConn(nc)
	s := &Session{p: p, log: p.log, wire: wire, client: pgwire.NewReader(wire, pgwire.WindowSize)}
	s.settings, s.base = backend.Empty, backend.Empty
	s.tenant.ID = p.tenants.Add(1)
	s.led.dropped = s.dropped
	s.led.status = 'I'
	s.run(ctx)
	s.tenant.Leave()
	p.sessions.remove(s)
}

// primary is the address of the primary. While there is none, as during a switch-over, it is waited for.
// A read does not wait if a replica can answer it.
func (p *Proxy) primary(ctx context.Context, read bool) (string, error) {
	if addr, ok := p.cluster.Primary(); ok {
		return addr, nil
	}
	if read && p.cluster.Snapshot().UsableReplicas() > 0 {
		return "", errNoPrimary
	}
	deadline := time.Now().Add(time.Duration(p.primaryWait.Load()))
	ticker := time.NewTicker(nodesPause)
	defer ticker.Stop()
	for time.Now().Before(deadline) {
		select {
		case <-ticker.C:
			if addr, ok := p.cluster.Primary(); ok {
				return addr, nil
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	return "", errNoPrimary
}

var errNoPrimary = &failure{
	code: codeCannotConnect, message: "no primary server is available",
	detail: "None of the configured nodes is a primary that can be reached.",
	hint:   "Reads continue if a replica is up. Try again when a primary is there.",
}

func (p *Proxy) wholeDatabase(database string) cachepolicy.Table {
	return cachepolicy.Table{Database: database}
}
