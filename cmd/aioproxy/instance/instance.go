// Package instance is one aioproxy with all its rooms wired together. The tests of the whole live here.
package instance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/aioproxy/aioproxy/cachepolicy"
	"github.com/aioproxy/aioproxy/cachepolicy/store"
	"github.com/aioproxy/aioproxy/cmd/aioproxy/build"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
	"github.com/aioproxy/aioproxy/parser/pgquery"
	"github.com/aioproxy/aioproxy/proxy"
	"github.com/aioproxy/aioproxy/proxy/admin"
	"github.com/aioproxy/aioproxy/proxy/auth"
	"github.com/aioproxy/aioproxy/proxy/backend"
	"github.com/aioproxy/aioproxy/router"
	"github.com/aioproxy/aioproxy/router/cluster"
)

// Instance is one aioproxy with all its rooms wired together.
type Instance struct {
	log      *zap.Logger
	cfg      *configs.Config
	cluster  *cluster.Cluster
	catalog  *catalog.Catalog
	router   *router.Router
	pools    *backend.Pools
	store    *store.Store
	proxy    *proxy.Proxy
	lookup   *auth.QueryLookup        // nil under trust
	admin    *admin.Server            // nil without admin_listen
	setLevel func(level string) error // of the log, at a reload
	work     sync.WaitGroup           // short work beside the rooms' own
}

// New makes the rooms; Run must follow. Nothing runs yet but what store does with Redis. setLevel changes the level of the log
// at a reload and may be nil.
func New(ctx context.Context, cfg *configs.Config, log *zap.Logger, setLevel func(level string) error) (*Instance, error) {
	if setLevel == nil {
		setLevel = func(string) error { return nil }
	}
	in := &Instance{log: log, cfg: cfg, setLevel: setLevel}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	clientTLS, err := clientTLS(cfg.Proxy.TLS)
	if err != nil {
		return nil, err
	}
	mode, err := backend.ParseSSLMode(cfg.Proxy.Control.SSLMode)
	if err != nil {
		return nil, err
	}
	in.pools = backend.New(cfg.Pool, backend.Deps{
		Log: log, Metrics: backend.NewMetrics(reg), TLS: backend.TLS{Mode: mode},
		Bereaved: func(tenant uint64, node string, words []byte) { in.proxy.Bereaved(tenant, node, words) },
	})
	reg.MustRegister(backend.NewCollector(in.pools))
	in.cluster = cluster.New(cfg.Cluster, cluster.Deps{
		Connect: func(ctx context.Context, addr string) (*pgx.Conn, error) {
			return Connect(ctx, cfg.Proxy.Control, addr, "")
		},
		Log: log, Metrics: cluster.NewMetrics(reg), OnChange: in.clusterChanged(),
	})
	in.catalog = catalog.New(cfg.Catalog, catalog.Deps{Connect: in.connectAny, Log: log, Metrics: catalog.NewMetrics(reg)})
	in.router = router.New(cfg.Router)
	policyConfig := cachepolicy.DefaultConfig()
	policyConfig.DefaultTTL, policyConfig.TimeTTL = cfg.Cache.DefaultTTL, cfg.Cache.TimeTTL
	if in.store, err = store.New(ctx, cfg.Cache, store.Deps{
		Log: log, Metrics: store.NewMetrics(reg), OnSchema: in.schemaChanged,
	}); err != nil {
		return nil, err
	}
	in.proxy = proxy.New(cfg.Proxy, proxy.Deps{
		Log: log, Memo: parser.NewMemo(cfg.Parser, pgquery.New()), Catalog: in.catalog, Router: in.router, Cluster: in.cluster,
		Policy: cachepolicy.New(policyConfig), Store: in.store, MaxResultSize: int64(cfg.Cache.MaxResultSize), Pools: in.pools,
		PrimaryWait: cfg.Pool.AcquireTimeout, Auth: in.authenticator(reg), Metrics: proxy.NewMetrics(reg), TLS: clientTLS,
		Version: build.Line(),
	})
	if cfg.Proxy.AdminListen != "" {
		in.admin, err = admin.Listen(ctx, cfg.Proxy.AdminListen, admin.Deps{Log: log, Metrics: reg, Ready: in.ready})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("admin_listen: %w", err), in.store.Close(ctx))
		}
	}
	return in, nil
}

func (in *Instance) authenticator(reg prometheus.Registerer) *auth.Authenticator {
	deps := auth.Deps{Metrics: auth.NewMetrics(reg)}
	if in.cfg.Auth.Method == auth.MethodSCRAM {
		in.lookup = auth.NewQueryLookup(in.cfg.Auth, auth.LookupDeps{Connect: in.controlTo(""), Log: in.log})
		deps.Lookup = in.lookup
	}
	return auth.New(in.cfg.Auth, deps)
}

// connectAny connects the control role to the primary, or to a replica while there is none: what it is asked for is in the
// catalogs, which all nodes have.
func (in *Instance) connectAny(ctx context.Context, database string) (*pgx.Conn, error) {
	if addr, ok := in.cluster.Primary(); ok {
		return Connect(ctx, in.cfg.Proxy.Control, addr, database)
	}
	for _, n := range in.cluster.Snapshot().Nodes {
		if n.Up {
			return Connect(ctx, in.cfg.Proxy.Control, n.Addr, database)
		}
	}
	return nil, errors.New("no node is up")
}

// schemaChanged forgets what is known of a database, of all if it has no name.
func (in *Instance) schemaChanged(database string) {
	if database == "" {
		in.catalog.InvalidateAll()
		return
	}
	in.catalog.Invalidate(database)
}

// clusterChanged closes connections to a server that is not what it was: restarted, promoted, demoted or gone.
func (in *Instance) clusterChanged() func(*cluster.Snapshot) {
	generations := map[string]uint64{}
	var system uint64
	var timeline uint32
	return func(s *cluster.Snapshot) {
		if p, ok := s.Primary(); ok {
			if system != 0 && (system != p.SystemID || timeline != p.Position.Timeline) {
				in.forgetResults()
			}
			system, timeline = p.SystemID, p.Position.Timeline
		}
		for _, n := range s.Nodes {
			before, known := generations[n.Addr]
			generations[n.Addr] = n.Generation
			if known && before != n.Generation || !n.Up {
				in.pools.Drop(n.Addr)
			}
		}
	}
}

// forgetResults voids all cached results: the servers are others, or their history is another one.
func (in *Instance) forgetResults() {
	in.work.Go(func() {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		in.store.Clear(ctx)
	})
}

// ready says what clients would find: a primary, or at least a replica for reads.
func (in *Instance) ready() (bool, string) {
	s := in.cluster.Snapshot()
	_, primary := s.Primary()
	replicas := s.UsableReplicas()
	detail := fmt.Sprintf("primary: %t, usable replicas: %d", primary, replicas)
	return primary || replicas > 0, detail
}

// Reload reads the configuration file again and applies what can be applied live; see configs.Diff.
func (in *Instance) Reload() error {
	next, err := in.cfg.Reload()
	if err != nil {
		return err
	}
	live, restart := configs.Diff(in.cfg, next)
	in.router.Swap(next.Router)
	in.proxy.Reload(next.Proxy, next.Pool.AcquireTimeout)
	in.pools.Reload(next.Pool)
	in.cluster.Tune(next.Cluster)
	if err := in.setLevel(next.Log.Level); err != nil {
		return err
	}
	in.log.Info("configuration reloaded", zap.Strings("applied", live), zap.Strings("need_restart", restart))
	in.adopt(next)
	return nil
}

// adopt keeps the keys that need a restart as they are, so that the next reload names them again.
func (in *Instance) adopt(next *configs.Config) {
	entries := in.cfg.Router.Experience.Entries
	in.cfg.Router, in.cfg.Pool, in.cfg.Log.Level = next.Router, next.Pool, next.Log.Level
	in.cfg.Router.Experience.Entries = entries
	in.cfg.Proxy.MaxClients, in.cfg.Proxy.LoginTimeout = next.Proxy.MaxClients, next.Proxy.LoginTimeout
	in.cfg.Proxy.ShutdownTimeout = next.Proxy.ShutdownTimeout
	in.cfg.Proxy.AdminUsers, in.cfg.Proxy.StatsUsers = next.Proxy.AdminUsers, next.Proxy.StatsUsers
	in.cfg.Cluster.MaxReplicaLag, in.cfg.Cluster.ReplicaWait = next.Cluster.MaxReplicaLag, next.Cluster.ReplicaWait
}

// clientTLS loads the certificate for clients; nil without one.
func clientTLS(cfg proxy.TLSConfig) (*tls.Config, error) {
	if cfg.Cert == "" || cfg.Mode == "disable" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}, nil
}
