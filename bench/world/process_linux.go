package world

import (
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CPUIsMeasured says whether this system tells the CPU time of a living process.
const CPUIsMeasured = true

// cpuTime is what the CPU clock of a process says (clock_getcpuclockid(3)): the time of all its
// threads, those that have ended too. rusage, of which the kernel tells only to the process
// itself and after its end, is rounded from the same sum.
func cpuTime(pid int) time.Duration {
	const ofProcess = 2 // CPUCLOCK_SCHED, of all threads
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &t); err != nil { //nolint:gosec // a pid has 22 bits
		return 0 // it is just ending
	}
	return time.Duration(t.Nano())
}

// endWithUs ends the process when we end.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
