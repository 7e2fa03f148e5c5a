//go:build !linux

package loopback

import "time"

// WaitUntil returns at a time, or at once where that has passed.
func WaitUntil(at time.Time) { <-time.After(time.Until(at)) }
