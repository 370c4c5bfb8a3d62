package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aioproxy/aioproxy/bench/testbed"
)

// packagedInputs are those of Debian's source package of the installed server, kept in the user's cache directory.
func packagedInputs(ctx context.Context, w io.Writer) (*inputs, error) {
	version, err := serverVersion(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "aioproxy", "postgresql-"+version+"-tests")
	if in, err := openInputs(dir); err == nil {
		return in, nil
	}
	work, err := os.MkdirTemp("", "aioproxy-source-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	archive, err := downloadSource(ctx, work, version, w)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked := filepath.Join(work, "inputs")
	if err := unpackTests(bzip2.NewReader(f), unpacked); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	if err := keep(unpacked, dir); err != nil {
		return nil, err
	}
	return openInputs(dir)
}

// keep moves what was unpacked to where the next run finds it. cp, because the two may be on different file systems; the last
// step is a rename, so that there is never half of it.
func keep(unpacked, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return err
	}
	half := fmt.Sprintf("%s.%d", dir, os.Getpid())
	if err := os.CopyFS(half, os.DirFS(unpacked)); err != nil {
		return errors.Join(err, os.RemoveAll(half))
	}
	return errors.Join(os.RemoveAll(dir), os.Rename(half, dir))
}

// serverVersion is such as 15.20.
func serverVersion(ctx context.Context) (string, error) {
	bin, err := testbed.FindPostgres()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`\d+\.\d+`).Find(out)
	if version == nil {
		return "", fmt.Errorf("no version in %q", out)
	}
	return string(version), nil
}

// sourceLists makes apt look for sources where it finds packages, in a state of its own: the machine's lists stay as they are.
const sourceLists = `set -e
mkdir -p parts lists/partial cache/archives/partial
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ -e "$f" ] || continue
	sed -E 's/^deb /deb-src /' "$f" >"parts/$(basename "$f" .list).list"
done
for f in /etc/apt/sources.list.d/*.sources; do
	[ -e "$f" ] || continue
	sed -E 's/^Types:.*/Types: deb-src/; /^Architectures:/d' "$f" >"parts/$(basename "$f")"
done`

// aptGet is apt-get, or another of its programs, with the state in dir.
func aptGet(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	options := []string{
		"-qq", "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=" + filepath.Join(dir, "parts"),
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30",
	}
	cmd := exec.CommandContext(ctx, program, append(options, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// downloadSource gets the source of the installed version. A mirror does not keep every version: another one of the same major
// version serves as well, because no expected output depends on it.
func downloadSource(ctx context.Context, dir, version string, w io.Writer) (archive string, err error) {
	lists := exec.CommandContext(ctx, "sh", "-c", sourceLists)
	lists.Dir = dir
	if out, err := lists.CombinedOutput(); err != nil {
		return "", fmt.Errorf("source lists: %w: %s", err, out)
	}
	// A third party's repository without sources is an error of it, and no reason to stop.
	_, updateErr := aptGet(ctx, dir, "apt-get", "update")
	major, _, _ := strings.Cut(version, ".")
	pkg := "postgresql-" + major
	out, err := aptGet(ctx, dir, "apt-cache", "showsrc", pkg)
	if err != nil {
		return "", errors.Join(updateErr, err)
	}
	errs := []error{updateErr}
	for _, v := range sourceVersions(string(out), version) {
		fmt.Fprintf(w, "downloading the source of %s %s\n", pkg, v)
		if _, err := aptGet(ctx, dir, "apt-get", "source", "--download-only", pkg+"="+v); err != nil {
			errs = append(errs, err)
			continue
		}
		if found, err := filepath.Glob(filepath.Join(dir, pkg+"_*.orig.tar.bz2")); err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", errors.Join(append(errs, fmt.Errorf("no source package %s could be downloaded", pkg))...)
}

var sourceVersion = regexp.MustCompile(`(?m)^Version: (\S+)$`)

// sourceVersions lists what apt-cache shows, the wanted one first.
func sourceVersions(shown, wanted string) []string {
	var versions []string
	for _, m := range sourceVersion.FindAllStringSubmatch(shown, -1) {
		versions = append(versions, m[1])
	}
	slices.SortStableFunc(versions, func(a, b string) int {
		return cmp.Compare(distance(a, wanted), distance(b, wanted))
	})
	return slices.Compact(versions)
}

func distance(version, wanted string) int {
	if strings.HasPrefix(version, wanted+"-") {
		return 0
	}
	return 1
}

// unpackTests takes the two suites out of PostgreSQL's source archive, laid out as inputs wants them.
func unpackTests(archive io.Reader, dir string) error {
	r := tar.NewReader(archive)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if to := testPath(h.Name); to != "" && h.Typeflag == tar.TypeReg {
			if err := unpackFile(r, filepath.Join(dir, to)); err != nil {
				return err
			}
		}
	}
}

var wantedOfSource = regexp.MustCompile(
	`^[^/]+/src/test/(?:regress/((?:sql|data)/[\w.-]+|parallel_schedule)|(isolation/(?:specs/[\w.-]+|isolation_schedule)))$`)

// testPath is where a file of the archive goes, "" for nowhere.
func testPath(name string) string {
	m := wantedOfSource.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	return cmp.Or(m[1], m[2])
}

func unpackFile(r io.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	const most = 64 << 20 // of one file; the largest are some hundred KiB
	_, err = io.Copy(f, io.LimitReader(r, most))
	return errors.Join(err, f.Close())
}
