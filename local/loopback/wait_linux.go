package loopback

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// WaitUntil returns at a time, or at once where that has passed. Go's timers may be a
// millisecond late, which is much for a service that answers in five. The kernel's timers are
// late by less than a tenth of one; waiting for one blocks no other goroutine.
func WaitUntil(at time.Time) {
	left := time.Until(at)
	if left <= 0 {
		return
	}
	if err := timer(left); err != nil {
		<-time.After(time.Until(at)) // no file is left to be opened
	}
}

// timer waits for a timer of the kernel.
func timer(wait time.Duration) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "timer")
	defer file.Close() //nolint:errcheck // nothing was written
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(wait.Nanoseconds())}, nil); err != nil {
		return err
	}
	_, err = file.Read(make([]byte, 8)) //nolint:mnd // a timer tells how often it has ended, in 64 bits
	return err
}
