package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	dirPrefix = "aioproxy-testbed-"
	lockName  = "lock"
	// A socket's path has to fit 107 bytes together with "/.s.PGSQL.12345".
	maxDirLength = 80
)

// workDir is the directory of one cluster. The lock is held while its cluster
// lives, so that the next cluster can tell what a killed one left behind.
type workDir struct {
	path string
	lock *os.File
}

func newWorkDir(acc account) (*workDir, error) {
	base := tempBase()
	sweep(base)
	path, err := os.MkdirTemp(base, dirPrefix)
	if err != nil {
		return nil, err
	}
	d := &workDir{path: path}
	if d.lock, err = lockFile(filepath.Join(path, lockName)); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	if acc.cred != nil {
		if err := os.Chown(path, int(acc.cred.Uid), int(acc.cred.Gid)); err != nil {
			return nil, errors.Join(err, d.remove())
		}
	}
	return d, nil
}

func (d *workDir) remove() error {
	err := os.RemoveAll(d.path)
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// tempBase is os.TempDir unless the servers could not reach it or name a socket in it.
func tempBase() string {
	base := os.TempDir()
	if len(base)+len(dirPrefix)+10 > maxDirLength {
		return "/tmp"
	}
	for p := base; os.Geteuid() == 0 && p != "/" && p != "."; p = filepath.Dir(p) {
		if fi, err := os.Stat(p); err != nil || fi.Mode().Perm()&0o001 == 0 {
			return "/tmp"
		}
	}
	return base
}

// sweep removes the directories of clusters whose process was killed. The age
// leaves alone one that is just being made and not locked yet.
func sweep(base string) {
	dirs, err := filepath.Glob(filepath.Join(base, dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		fi, err := os.Lstat(filepath.Join(dir, lockName))
		if err != nil || time.Since(fi.ModTime()) < time.Minute {
			continue
		}
		lock, err := lockFile(filepath.Join(dir, lockName))
		if err != nil {
			continue
		}
		// Another sweeper or a dying server may be at it too; the next sweep sees the rest.
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}
