package throttle_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestNoMoreCallsThanAllowedAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{AtOnce: 3}, false, time.Now)
		var now, most atomic.Int32
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				done := wait(t, th, orgA)
				most.Store(max(most.Load(), now.Add(1)))
				<-time.After(100 * time.Millisecond)
				now.Add(-1)
				done(nil)
			})
		}
		group.Wait()
		if most.Load() != 3 {
			t.Errorf("%d calls at once, want 3", most.Load())
		}
		// Who would have to wait too long is told so, and other orgs are not kept.
		for range 3 {
			wait(t, th, orgA)
		}
		_, err := th.Org(orgA).Wait(t.Context())
		if busy, ok := errors.AsType[*flowclient.BusyError](err); !ok || busy.RetryAfter <= 0 {
			t.Errorf("error = %v, want a BusyError", err)
		}
		wait(t, th, orgB)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := th.Org(orgA).Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the context's", err)
		}
	})
}

func TestCallsKeepThePaceOfTheirOrg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{PerSecond: 4}, false, time.Now)
		began := time.Now()
		for range 24 {
			wait(t, th, orgA)(nil)
		}
		if took := time.Since(began); took != 5*time.Second { // the first four at once
			t.Errorf("24 calls took %s, want 5s", took)
		}
		// A call that would go past the context's deadline is not waited for.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := th.Org(orgA).Wait(ctx); !errors.As(err, new(*flowclient.BusyError)) || time.Since(began) != 5*time.Second {
			t.Errorf("error = %v after %s", err, time.Since(began))
		}
	})
}
