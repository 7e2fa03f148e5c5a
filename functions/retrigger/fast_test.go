//go:build !slow

package main

import (
	"flag"
	"os"
	"testing"
	"time"
)

// The tests that play long or often play less of the same in `make test`; full_slow_test.go
// has the numbers of `make test-all`.
const (
	// jitters is how many retries wait for each delay: jitter makes each of them another one.
	jitters = 2
	// longWait is how long a message waits whose wait must change nothing.
	longWait = 3 * time.Hour
	// observedFor is how long observe mode lasts.
	observedFor = 3 * time.Hour
)

// TestMain plays a part of the random histories that `make test-all` plays, unless the
// command says how many.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "10") // rapid defines it
	os.Exit(m.Run())
}
