//go:build !linux

package world

import (
	"os/exec"
	"time"
)

// CPUIsMeasured says whether this system tells the CPU time of a living process.
const CPUIsMeasured = false

func cpuTime(int) time.Duration { return 0 }

func endWithUs(*exec.Cmd) {}
