//go:build slow

package main

import "time"

// These are the numbers of `make test-all`; fast_test.go says what they mean.
const (
	jitters     = 20
	longWait    = 20 * time.Hour
	observedFor = 3 * 24 * time.Hour
)
