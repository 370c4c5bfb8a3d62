package admin

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a server and returns its URL.
func run(t *testing.T, deps Deps) string {
	t.Helper()
	s, err := Listen(t.Context(), "127.0.0.1:0", deps)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, s.Serve(ctx)) })
	t.Cleanup(func() { stop(); serving.Wait() })
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestReadyTellsWhatIsTrueNow(t *testing.T) {
	var up atomic.Bool
	url := run(t, Deps{Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: func() (bool, string) {
		return up.Load(), "primary: none"
	}})
	status, body := get(t, url+"/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "not ready: primary: none\n", body)
	up.Store(true)
	status, _ = get(t, url+"/readyz")
	assert.Equal(t, http.StatusOK, status)
	status, body = get(t, url+"/healthz")
	assert.Equal(t, http.StatusOK, status, "the process lives, whatever the servers do")
	assert.Equal(t, "ok\n", body)
}

func TestMetricsAreThoseOfTheRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "aioproxy_admin_test_total", Help: "test"})
	reg.MustRegister(c)
	c.Add(3)
	url := run(t, Deps{Log: zap.NewNop(), Metrics: reg, Ready: func() (bool, string) { return true, "" }})
	status, body := get(t, url+"/metrics")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "aioproxy_admin_test_total 3\n")
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	url := run(t, Deps{Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: func() (bool, string) { return true, "" }})
	status, _ := get(t, url+"/debug/pprof/")
	assert.Equal(t, http.StatusNotFound, status)
	status, body := get(t, url+"/")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "/metrics")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/metrics", nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}

func TestListenOnATakenAddressFails(t *testing.T) {
	url := run(t, Deps{Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: func() (bool, string) { return true, "" }})
	_, err := Listen(t.Context(), url[len("http://"):], Deps{Log: zap.NewNop()})
	require.Error(t, err)
}
