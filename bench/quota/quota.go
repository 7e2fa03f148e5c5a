// Package quota gives a process a part of a CPU, as Lambda does after a start: by a cgroup of
// its own (version 1 or 2) with a quota. Whoever measures is not in it, and keeps the rest.
//
// AWS says how much of a CPU a memory setting is worth ([OfMemory]), and not in which periods
// it is dealt out. We take [Period]: with the kernel's own 100 ms a process that has used up
// its part would stand still for up to 86 ms at a time, and figures of some hundred
// milliseconds would follow the chance of where a period begins.
package quota

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Period is in which periods the quota is dealt out. It is our choice; see the package comment.
const Period = 20 * time.Millisecond

// leastQuota is the least that the kernel takes for a period.
const leastQuota = time.Millisecond

// memoryOfOneCPU is the memory setting in MB that is worth one vCPU:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html.
const memoryOfOneCPU = 1769

// OfMemory is the part of a CPU that Lambda gives a function with a memory setting in MB: 0.14
// for 256.
func OfMemory(megabytes int) float64 { return float64(megabytes) / memoryOfOneCPU }

// UnavailableError means that there is no cgroup here in which a process could get a quota:
// another system than Linux, or no permission.
type UnavailableError struct{ Err error }

// Error says why.
func (e *UnavailableError) Error() string { return "no cgroup for a CPU quota: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Group is a cgroup of our own. Remove it when its processes have ended.
type Group struct {
	dir    string
	limits func(cpus float64) []file
}

// file is what is written to one of a group's files.
type file struct{ name, text string }

// New makes a group without a quota. Its error is an [*UnavailableError] where there can be
// none.
func New() (*Group, error) { return newIn("/sys/fs/cgroup", "/proc/self/cgroup") }

// newIn makes a group below a mount. own has our own groups, a line for each hierarchy.
func newIn(mount, own string) (*Group, error) {
	text, err := os.ReadFile(own)
	if err != nil {
		return nil, &UnavailableError{err}
	}
	failed := errors.New("neither a cpu controller of version 1 nor one of version 2 is mounted")
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		controllers, path := strings.Split(fields[1], ","), fields[2]
		var group *Group
		var err error
		switch {
		case slices.Contains(controllers, "cpu"):
			group, err = firstVersion(mount, fields[1], path)
		case fields[0] == "0" && exists(mount+"/cgroup.controllers"):
			group, err = secondVersion(mount, path)
		default:
			continue
		}
		if err == nil {
			return group, nil
		}
		failed = err
	}
	return nil, &UnavailableError{failed}
}

// firstVersion makes a group of version 1 below our own, or below the root where our own is
// not shown, as in some containers.
func firstVersion(mount, controllers, own string) (*Group, error) {
	base := filepath.Join(mount, controllers)
	if !exists(base) {
		base = filepath.Join(mount, "cpu")
	}
	return makeBelow([]string{filepath.Join(base, own), base}, "cpu.cfs_quota_us", func(cpus float64) []file {
		period, quota := microseconds(cpus)
		return []file{{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", cmp.Or(quota, "-1")}}
	})
}

// secondVersion makes a group of version 2 below ours, or below the nearest one above that
// hands on the CPU: a group with processes in it must not.
func secondVersion(mount, own string) (*Group, error) {
	var parents []string
	for dir := filepath.Join(mount, own); ; dir = filepath.Dir(dir) {
		parents = append(parents, dir)
		if dir == filepath.Clean(mount) || len(dir) <= 1 {
			break
		}
	}
	for _, dir := range parents {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+cpu"), 0) // without it cpu.max is missing
	}
	return makeBelow(parents, "cpu.max", func(cpus float64) []file {
		period, quota := microseconds(cpus)
		return []file{{"cpu.max", cmp.Or(quota, "max") + " " + period}}
	})
}

// makeBelow makes a group below the first parent where it gets the file that holds the quota.
func makeBelow(parents []string, needs string, limits func(float64) []file) (*Group, error) {
	failed := errors.New("no cgroup to make one in")
	for _, parent := range parents {
		g := &Group{dir: filepath.Join(parent, "bench-"+strings.ToLower(rand.Text()[:10])), limits: limits}
		if err := os.Mkdir(g.dir, 0o750); err != nil {
			failed = err
			continue
		}
		if exists(filepath.Join(g.dir, needs)) {
			return g, nil
		}
		failed = fmt.Errorf("a cgroup below %s has no %s", parent, needs)
		_ = os.Remove(g.dir)
	}
	return nil, failed
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// microseconds are period and quota as the kernel reads them; quota is empty for no limit.
func microseconds(cpus float64) (period, quota string) {
	period = strconv.FormatInt(Period.Microseconds(), 10)
	if cpus <= 0 {
		return period, ""
	}
	part := time.Duration(cpus * float64(Period))
	return period, strconv.FormatInt(max(part, leastQuota).Microseconds(), 10)
}

// Add moves a process into the group, with all its threads.
func (g *Group) Add(pid int) error { return g.write(file{"cgroup.procs", strconv.Itoa(pid)}) }

// Limit gives the group so many CPUs from now on; 0 for as many as there are.
func (g *Group) Limit(cpus float64) error {
	for _, f := range g.limits(cpus) {
		if err := g.write(f); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) write(f file) error {
	out, err := os.OpenFile(filepath.Join(g.dir, f.name), os.O_WRONLY, 0) // never made: the kernel has it
	if err != nil {
		return fmt.Errorf("CPU quota: %w", err)
	}
	defer out.Close() //nolint:errcheck // the kernel answers the write
	if _, err := out.WriteString(f.text); err != nil {
		return fmt.Errorf("CPU quota: write %q: %w", f.text, err)
	}
	return nil
}

// Remove removes the group. The kernel may need a moment to see that its last process has
// ended.
func (g *Group) Remove() error {
	const wait, tries = 5 * time.Millisecond, 200
	var err error
	for range tries {
		if err = os.Remove(g.dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		<-time.After(wait)
	}
	return fmt.Errorf("CPU quota: %w", err)
}
