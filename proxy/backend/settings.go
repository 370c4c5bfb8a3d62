package backend

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"
)

// Settings is an immutable set of run-time settings that differ from what a server has by itself (its configuration,
// ALTER ROLE and ALTER DATABASE). Equal sets are the same pointer, so comparing two is comparing pointers. Names
// compare as in PostgreSQL, without regard to ASCII case, and are kept in lower case.
type Settings struct {
	list   []Setting // sorted by name
	digest [sha256.Size]byte
}

// Setting is a name in lower case and its value as PostgreSQL shows it.
type Setting struct{ Name, Value string }

// Empty is the set of a server connection that nobody has changed.
var Empty = sets.intern(nil)

// With returns the set in which name has this value.
func (s *Settings) With(name, value string) *Settings {
	name = lower(name)
	i, found := s.find(name)
	if found && s.list[i].Value == value {
		return s
	}
	list := make([]Setting, 0, len(s.list)+1)
	list = append(list, s.list[:i]...)
	list = append(list, Setting{strings.Clone(name), strings.Clone(value)})
	if found {
		i++
	}
	return sets.intern(append(list, s.list[i:]...))
}

// Without returns the set that leaves name to the server.
func (s *Settings) Without(name string) *Settings {
	i, found := s.find(lower(name))
	if !found {
		return s
	}
	return sets.intern(slices.Delete(slices.Clone(s.list), i, i+1))
}

// Get returns the value of name, if it is in the set.
func (s *Settings) Get(name string) (string, bool) {
	i, found := s.find(lower(name))
	if !found {
		return "", false
	}
	return s.list[i].Value, true
}

// Each calls f for every setting in the order of the names.
func (s *Settings) Each(f func(name, value string)) {
	for i := range s.list {
		f(s.list[i].Name, s.list[i].Value)
	}
}

// Len is the number of settings.
func (s *Settings) Len() int { return len(s.list) }

// Digest is a SHA-256 of names and values: the same in every process, and no client can construct two sets that
// share one. The slice must not be written to.
func (s *Settings) Digest() []byte { return s.digest[:] }

func (s *Settings) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.list, name, func(e Setting, n string) int { return strings.Compare(e.Name, n) })
}

// lower folds ASCII only, as guc_name_compare in PostgreSQL's guc.c does.
func lower(name string) string {
	for i := 0; i < len(name); i++ {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			b := []byte(name)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return name
}

// sets has to be one for the process, as package unique is: pointers are compared across all pools and sessions. It
// holds sets weakly, so that what clients set is bounded by what sessions and server connections still refer to.
var sets interner

type interner struct {
	mu struct {
		sync.Mutex
		byDigest map[[sha256.Size]byte]weak.Pointer[Settings]
	}
}

// intern takes ownership of list, which is sorted and has no name twice.
func (in *interner) intern(list []Setting) *Settings {
	digest := digestOf(list)
	in.mu.Lock()
	defer in.mu.Unlock()
	if s := in.mu.byDigest[digest].Value(); s != nil {
		return s
	}
	if in.mu.byDigest == nil {
		in.mu.byDigest = map[[sha256.Size]byte]weak.Pointer[Settings]{}
	}
	s := &Settings{list: list, digest: digest}
	in.mu.byDigest[digest] = weak.Make(s)
	runtime.AddCleanup(s, in.forget, digest)
	return s
}

// forget leaves the entry alone if an equal set was made after the one that was collected.
func (in *interner) forget(digest [sha256.Size]byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.mu.byDigest[digest].Value() == nil {
		delete(in.mu.byDigest, digest)
	}
}

func (in *interner) len() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.mu.byDigest)
}

// digestOf writes lengths first, so that no two lists give the same bytes.
func digestOf(list []Setting) [sha256.Size]byte {
	var b []byte
	for _, e := range list {
		b = binary.AppendUvarint(b, uint64(len(e.Name)))
		b = append(b, e.Name...)
		b = binary.AppendUvarint(b, uint64(len(e.Value)))
		b = append(b, e.Value...)
	}
	return sha256.Sum256(b)
}
