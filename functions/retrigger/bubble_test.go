package main

import (
	"testing"
	"testing/synctest"
)

// bubble runs a test in virtual time. A panic, by which rapid ends a property,
// comes out of it.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	var panicked any
	synctest.Test(t, func(t *testing.T) {
		defer func() { panicked = recover() }()
		test(t)
	})
	if panicked != nil {
		panic(panicked)
	}
}
