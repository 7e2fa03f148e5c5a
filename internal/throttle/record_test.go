package throttle_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

func TestLongReasonIsCutVisibly(t *testing.T) {
	t.Parallel()
	th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
	pauses, err := th.Pause(t.Context(), throttle.Scope{}, throttle.Cause{Reason: strings.Repeat("ż", 400)}, time.Now())
	if err != nil || len(pauses) != 1 {
		t.Fatal(pauses, err)
	}
	reason := pauses[0].Reason
	if len(reason) > 512 || !utf8.ValidString(reason) || !strings.HasPrefix(reason, strings.Repeat("ż", 250)) || !strings.HasSuffix(reason, "…") {
		t.Errorf("the reason is %q", reason)
	}
	pauses, err = th.Pause(t.Context(), throttle.Scope{OrgID: orgA}, throttle.Cause{Reason: strings.Repeat("r", 512)}, time.Now())
	if err != nil || pauses[1].Reason != strings.Repeat("r", 512) {
		t.Errorf("a reason of 512 bytes: %+v, %v", pauses, err)
	}
}

func TestWithoutTheSharedRecordNothingIsKnownOfPauses(t *testing.T) {
	t.Parallel()
	table := memory.New()
	if err := table.Commit(t.Context(), store.Write{Key: "throttle", New: store.Record{store.AttributeKey: "throttle", store.AttributeRev: "1", "state": "by hand"}}); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	th := throttle.New(table, throttle.Limits{}, false, time.Now)
	for name, ctx := range map[string]context.Context{"unreadable": t.Context(), "unreachable": canceled} {
		if _, err := th.PauseStatus(ctx, orgA, "f", time.Time{}); !errors.As(err, new(*store.UnavailableError)) {
			t.Errorf("%s: error = %v", name, err)
		}
		if _, err := th.Pause(ctx, throttle.Scope{}, throttle.Cause{}, time.Now()); err == nil {
			t.Errorf("%s: it is paused", name)
		}
	}
}

// TestTheRecordIsForgottenAWeekAfterTheLastPause some days after its last change, but not while a pause lasts.
func TestTheRecordIsForgottenAWeekAfterTheLastPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := memory.New()
		th := throttle.New(table, throttle.Limits{}, false, time.Now)
		lives := func() time.Duration { // for ever is 0
			t.Helper()
			text := table.Records()[0][store.AttributeTTL]
			if text == "" {
				return 0
			}
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return time.Until(time.Unix(seconds, 0))
		}
		week := 7 * 24 * time.Hour
		wait(t, th, orgA)(throttled(time.Minute))
		if err := th.PublishSlowDown(t.Context(), orgA); err != nil || lives() != week {
			t.Errorf("after a 429 the record is kept for %s, %v", lives(), err)
		}
		scopes := []throttle.Scope{{OrgID: orgA}, {OrgID: orgB}}
		for _, scope := range scopes {
			if _, err := th.Pause(t.Context(), scope, throttle.Cause{}, time.Now()); err != nil || lives() != 0 {
				t.Errorf("in a pause the record is kept for %s, %v", lives(), err)
			}
		}
		for i, want := range []time.Duration{0, week} {
			if _, err := th.Resume(t.Context(), scopes[i], time.Now()); err != nil || lives() != want {
				t.Errorf("with %d pauses left the record is kept for %s, %v, want %s", 1-i, lives(), err, want)
			}
		}
		// It is forgotten while a process has a copy.
		gone := store.Write{Key: "throttle", Old: table.Records()[0][store.AttributeRev]}
		if err := table.Commit(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if pauses, err := th.Pause(t.Context(), scopes[0], throttle.Cause{}, time.Now()); err != nil || len(pauses) != 1 {
			t.Errorf("the pauses are %+v, %v", pauses, err)
		}
	})
}
