//go:build slow

package main

import "testing"

// TestCommandWithManySteps plays testdata/slow: scripts as those of testdata/script, with so
// many commands that they take seconds.
func TestCommandWithManySteps(t *testing.T) {
	t.Parallel()
	playScripts(t, "testdata/slow")
}
