package throttle_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	orgA = "A@AdobeOrg"
	orgB = "B@AdobeOrg"
)

func wait(t *testing.T, th *throttle.Throttle, org string) func(*flowclient.Error) {
	t.Helper()
	done, err := th.Org(org).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func throttled(after time.Duration) *flowclient.Error {
	return &flowclient.Error{Kind: flowclient.KindThrottled, RetryAfter: after}
}

func held(t *testing.T, th *throttle.Throttle, due time.Time) throttle.PauseStatus {
	t.Helper()
	h, err := th.PauseStatus(t.Context(), orgA, "f", due)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
