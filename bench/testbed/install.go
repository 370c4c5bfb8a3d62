package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotInstalled is wrapped by the error of a missing server; the message names
// the Debian package that has it.
var ErrNotInstalled = errors.New("not installed")

// FindPostgres returns the directory of the PostgreSQL server programs: that of
// PATH, of pg_config, or the newest of Debian's.
func FindPostgres() (string, error) {
	needed := []string{"postgres", "initdb"}
	var candidates []string
	if path, err := exec.LookPath("postgres"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(out)))
	}
	candidates = append(candidates, debianBindirs()...)
	for _, dir := range candidates {
		if hasAll(dir, needed) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL server programs (postgres, initdb): %w: apt-get install postgresql", ErrNotInstalled)
}

// FindRedis returns the path of redis-server.
func FindRedis() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redis-server: %w: apt-get install redis-server", ErrNotInstalled)
	}
	return path, nil
}

// debianBindirs returns /usr/lib/postgresql/*/bin, the newest version first.
func debianBindirs() []string {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil
	}
	version := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return dirs
}

func hasAll(dir string, programs []string) bool {
	for _, p := range programs {
		if _, err := exec.LookPath(filepath.Join(dir, p)); err != nil {
			return false
		}
	}
	return true
}

// account is who runs the servers. cred is nil when that is ourselves.
type account struct {
	cred *syscall.Credential
	name string
}

// findAccount: PostgreSQL refuses to run as root, so root lends its servers to
// somebody unprivileged.
func findAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, err
		}
		cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return account{cred: cred, name: name}, nil
	}
	return account{}, errors.New("running as root, and neither user postgres nor nobody exists to run the servers")
}

// command is a program run to its end on behalf of the account.
func (a account) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = serverEnv(dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred}
	return cmd
}

// serverEnv keeps the caller's PGPORT, PGDATA, PGOPTIONS and locale away from the servers.
func serverEnv(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C.UTF-8"}
}
