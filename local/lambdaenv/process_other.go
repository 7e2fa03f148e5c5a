//go:build !linux

package lambdaenv

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the process a group of its own.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func killGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended by itself
}
