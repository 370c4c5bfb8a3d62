package instance_test

import (
	"context"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/aioproxy/aioproxy/bench/testbed"
	"github.com/aioproxy/aioproxy/cmd/aioproxy/instance"
	"github.com/aioproxy/aioproxy/configs"
	"github.com/aioproxy/aioproxy/proxy/auth"
)

// bed is one primary, one streaming replica and Redis for all tests that leave them as they found them.
var bed *testbed.Cluster

func TestMain(m *testing.M) {
	opt := testbed.Options{Replicas: 1, Redis: true, Conf: map[string]string{"max_prepared_transactions": "10", "max_connections": "500"}}
	os.Exit(testbed.Main(m, opt, func(c *testbed.Cluster) { bed = c }))
}

// front is a running aioproxy.
type front struct {
	*instance.Instance
	host string
	port int
	stop func() // begins a graceful stop
}

// start runs an aioproxy in front of c until the test ends; change adjusts its configuration.
func start(t *testing.T, c *testbed.Cluster, change func(*configs.Config)) *front {
	t.Helper()
	cfg, err := configs.Load("", func(cfg *configs.Config) {
		cfg.Proxy.Listen = []string{"127.0.0.1:0"}
		cfg.Proxy.AdminListen = "127.0.0.1:0"
		cfg.Cluster.Nodes = c.Addrs()
		cfg.Auth.Method = auth.MethodTrust
		if change != nil {
			change(cfg)
		}
	})
	require.NoError(t, err)
	in, err := instance.New(t.Context(), cfg, zaptest.NewLogger(t), nil)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	accepting := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		if err := in.Run(ctx, func() { close(accepting) }); err != nil {
			t.Errorf("aioproxy ended with: %v", err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	<-accepting
	addr := in.Addrs()[0].(*net.TCPAddr)
	return &front{Instance: in, host: addr.IP.String(), port: addr.Port, stop: stop}
}

// dsn is a connection string for user postgres.
func (f *front) dsn(database string) string {
	return "host=" + f.host + " port=" + strconv.Itoa(f.port) + " user=postgres dbname=" + database + " sslmode=disable"
}

// connect opens a connection that is closed when the test ends.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
