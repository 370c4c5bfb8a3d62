package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a process and its children have used.
type usage struct {
	cpu time.Duration
	rss int64 // bytes, of now
}

// used adds up a process tree. The clock of a process counts its threads, those that have ended too, in nanoseconds.
func used(root int) (usage, error) {
	var u usage
	pids, err := tree(root)
	if err != nil {
		return u, err
	}
	for _, pid := range pids {
		var ts unix.Timespec
		// CPUCLOCK_SCHED of a process, see clock_getcpuclockid(3).
		clock := int32(^pid<<3 | 2)
		if err := unix.ClockGettime(clock, &ts); err != nil {
			continue // it ended just now
		}
		u.cpu += time.Duration(ts.Nano())
		u.rss += residentSize(pid)
	}
	return u, nil
}

// tree lists a process and all below it.
func tree(root int) ([]int, error) {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ppid, ok := parent(pid); ok {
			children[ppid] = append(children[ppid], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

func parent(pid int) (int, bool) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	// "pid (name) state ppid ...": the name may hold blanks and parentheses.
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	ppid, err := strconv.Atoi(fields[1])
	return ppid, err == nil
}

func residentSize(pid int) int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64) // 0 for what cannot be read
	return pages * int64(os.Getpagesize())
}

// meter measures a stretch of work of a process tree; root 0 stands for no process at all.
type meter struct {
	root  int
	since usage
	at    time.Time
}

func startMeter(root int) (*meter, error) {
	m := &meter{root: root, at: time.Now()}
	if root == 0 {
		return m, nil
	}
	var err error
	m.since, err = used(root)
	return m, err
}

// stop returns the processor time since the start, and the memory of now.
func (m *meter) stop() (cpu time.Duration, rss int64, err error) {
	if m.root == 0 {
		return 0, 0, nil
	}
	u, err := used(m.root)
	if err != nil {
		return 0, 0, err
	}
	if u.cpu < m.since.cpu {
		return 0, 0, fmt.Errorf("processes of the tree below %d ended while it was measured", m.root)
	}
	return u.cpu - m.since.cpu, u.rss, nil
}
