package flowclient_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestATokenThatEndedDuringAFreezeIsNotUsed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	adobe := &issuer{expiresIn: "3600"}
	ims := newIMS(t, adobe.ServeHTTP, flowclient.WithClock(func() time.Time { return now }))
	if token, err := ims.Token(t.Context()); err != nil || token != "token-1" {
		t.Fatal(token, err)
	}
	// The wall clock goes on by two hours, and the monotonic clock stands still, as while
	// Lambda freezes a process. The first word of a time.Time has the seconds of the wall
	// clock above its 30 bits of nanoseconds.
	before := now
	*(*uint64)(unsafe.Pointer(&now)) += 7200 << 30 //nolint:gosec // only in this test
	if now.Sub(before) != 0 || now.Round(0).Sub(before.Round(0)) != 2*time.Hour {
		t.Fatalf("the clock of this test shows %v and %v", now.Sub(before), now.Round(0).Sub(before.Round(0)))
	}
	if token, err := ims.Token(t.Context()); err != nil || token != "token-2" {
		t.Errorf("the token is %q, %v, want a new one", token, err)
	}
}
