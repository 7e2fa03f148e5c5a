//go:build !slow

package main

import (
	"flag"
	"os"
	"testing"
)

// TestMain plays half as many random histories in `make test` as in `make test-all`, unless
// the command says how many.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "50") // rapid defines it
	os.Exit(m.Run())
}
