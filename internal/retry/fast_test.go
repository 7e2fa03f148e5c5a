//go:build !slow

package retry_test

// situationsOfEach is how many values of everything else each combination of what matters
// meets; `make test-all` has more of them.
const situationsOfEach = 1
