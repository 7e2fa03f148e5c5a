package quota

import (
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestAProcessGetsItsPartOfACPU: where there is no cgroup to be had, that is said. In CI there
// must be one.
func TestAProcessGetsItsPartOfACPU(t *testing.T) {
	t.Parallel()
	group, err := New()
	if err != nil {
		if !errors.As(err, new(*UnavailableError)) || os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Log("not measured here:", err)
		return
	}
	t.Cleanup(func() {
		if err := group.Remove(); err != nil {
			t.Error(err)
		}
	})
	busy := exec.Command("sh", "-c", "read go; while :; do :; done")
	begin, err := busy.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	const cpus, wall = 0.1, 400 * time.Millisecond
	failed := errors.Join(group.Add(busy.Process.Pid), group.Limit(cpus))
	began := time.Now()
	_, _ = io.WriteString(begin, "go\n") // it is busy only now that it has its part
	<-time.After(wall)
	_ = busy.Process.Kill()
	_ = busy.Wait()
	took := time.Since(began)
	if failed != nil {
		t.Fatal(failed)
	}
	used := busy.ProcessState.UserTime() + busy.ProcessState.SystemTime()
	if most := took / 2; used > most {
		t.Errorf("the process used %s of a CPU in %s, want a tenth", used, took)
	}
}

func TestWhoHasNoCgroupIsToldSo(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	first, second, none := filepath.Join(empty, "first"), filepath.Join(empty, "second"), filepath.Join(empty, "none")
	for path, text := range map[string]string{first: "1:cpu,cpuacct:/a\n", second: "0::/b\n", none: "strange\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, own := range []string{first, second, none, filepath.Join(empty, "missing")} {
		if _, err := newIn(empty, own); !errors.As(err, new(*UnavailableError)) {
			t.Errorf("%s: %v", own, err)
		}
	}
}

// tree is a mount without a kernel behind it: a new group is an empty folder.
func tree(t *testing.T, text string, files ...string) (mount, own string) {
	t.Helper()
	mount = t.TempDir()
	own = filepath.Join(mount, "own")
	for _, f := range append(files, "own") {
		f = filepath.Join(mount, f)
		if err := os.MkdirAll(filepath.Dir(f), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return mount, own
}

func TestAGroupWithoutAQuotaIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	for text, files := range map[string][]string{
		"0::/a/b\n":   {"cgroup.controllers", "a/b/cgroup.subtree_control"},
		"1:cpu:/gone": {"cpu/tasks"},
	} {
		mount, own := tree(t, text, files...)
		if _, err := newIn(mount, own); !errors.As(err, new(*UnavailableError)) {
			t.Errorf("%q: %v", text, err)
		}
		left, err := filepath.Glob(mount + "/*/bench-*")
		if err != nil || len(left) > 0 {
			t.Errorf("%q: left behind: %v, %v", text, left, err)
		}
	}
}

func TestTheQuotaIsWrittenAsTheKernelReadsIt(t *testing.T) {
	t.Parallel()
	for cpus, want := range map[float64]string{0: "", 0.14: "2800", 0.001: "1000", 2: "40000"} {
		if period, quota := microseconds(cpus); period != "20000" || quota != want {
			t.Errorf("%g CPUs: %s of %s, want %s", cpus, quota, period, want)
		}
	}
	if got := OfMemory(256); math.Abs(got-0.1447) > 1e-4 {
		t.Errorf("256 MB are %g CPUs", got)
	}
}
