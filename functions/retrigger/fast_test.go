//go:build !slow

package main

import (
	"flag"
	"os"
	"testing"
)

// TestMain plays a quarter of the random histories that `make test-all` plays, unless the
// command says how many.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "25") // rapid defines it
	os.Exit(m.Run())
}
