//go:build slow

package retry_test

// situationsOfEach is that of `make test-all`; fast_test.go says what it means.
const situationsOfEach = 3
