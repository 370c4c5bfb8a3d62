// Package admin is the HTTP side of aioproxy: metrics, health and readiness.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Deps is what a Server tells about.
type Deps struct {
	Log     *zap.Logger
	Metrics prometheus.Gatherer
	// Ready says whether clients can be served, and a line that explains it. It must not block.
	Ready func() (ready bool, detail string)
}

// Server answers HTTP requests of operators and of Prometheus.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Listen opens addr. Requests are answered once Serve runs.
func Listen(ctx context.Context, addr string, deps Deps) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &http.Server{
		Handler:           handler(deps),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	if errorLog, err := zap.NewStdLogAt(deps.Log.Named("admin"), zap.DebugLevel); err == nil {
		s.ErrorLog = errorLog
	}
	return &Server{http: s, listener: l}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until ctx ends and then lets running answers finish briefly.
func (s *Server) Serve(ctx context.Context) error {
	var closing sync.WaitGroup
	done := make(chan struct{})
	closing.Go(func() {
		select {
		case <-ctx.Done():
		case <-done:
			return
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.http.Shutdown(grace) != nil {
			_ = s.http.Close()
		}
	})
	err := s.http.Serve(s.listener)
	close(done)
	closing.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func handler(deps Deps) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(deps.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, detail := deps.Ready()
		if !ready {
			answer(w, http.StatusServiceUnavailable, "not ready: "+detail)
			return
		}
		answer(w, http.StatusOK, "ready: "+detail)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "aioproxy: /metrics /healthz /readyz")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
