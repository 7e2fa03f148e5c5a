package lambdaenv

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the process a group of its own and lets it end with us.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended by itself
}
