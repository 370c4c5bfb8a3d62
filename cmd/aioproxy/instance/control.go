package instance

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/aioproxy/aioproxy/proxy"
	"github.com/jackc/pgx/v5"
)

// Connect opens a connection of the control role to one node. database may be empty for the configured one.
func Connect(ctx context.Context, cfg proxy.ControlConfig, addr, database string) (*pgx.Conn, error) {
	conn, err := controlConfig(cfg, addr, database)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, conn)
}

// controlConfig takes everything from cfg: the PG* variables of the environment are meant for other programs.
func controlConfig(cfg proxy.ControlConfig, addr, database string) (*pgx.ConnConfig, error) {
	host, port, err := splitNode(addr)
	if err != nil {
		return nil, err
	}
	if database == "" {
		database = cfg.Database
	}
	dsn := []string{
		"host=" + quoteDSN(host), "port=" + strconv.Itoa(int(port)), "user=" + quoteDSN(cfg.User),
		"dbname=" + quoteDSN(database), "password=" + quoteDSN(cfg.Password), "sslmode=" + quoteDSN(cfg.SSLMode),
		"application_name=aioproxy", "connect_timeout=5", "target_session_attrs=any", "sslcert=''", "sslkey=''", "sslrootcert=''",
	}
	conn, err := pgx.ParseConfig(strings.Join(dsn, " "))
	if err != nil {
		return nil, fmt.Errorf("control connection to %s: %w", addr, err)
	}
	conn.ConnectTimeout = 5 * time.Second
	return conn, nil
}

// splitNode takes host:port, or /directory:port for a Unix socket.
func splitNode(addr string) (string, uint16, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("node %q: write host:port", addr)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("node %q: the port is not a number", addr)
	}
	return host, uint16(port), nil
}

// quoteDSN quotes a value of a keyword/value connection string (libpq, "Connection Strings").
func quoteDSN(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
