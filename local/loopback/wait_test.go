package loopback_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

func TestAWaitIsNeverTooShort(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{-time.Second, 0, time.Microsecond, 3 * time.Millisecond} {
		at := time.Now().Add(wait)
		loopback.WaitUntil(at)
		if early := time.Until(at); early > 0 {
			t.Errorf("a wait of %s ended %s too early", wait, early)
		}
	}
}
