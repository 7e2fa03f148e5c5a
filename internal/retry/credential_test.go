package retry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestARenewedCredentialReadsTheRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.accounts.onRenew = func() (string, error) { return "new-client", nil }
		w.adobe.refuseToken(flowsim.OpRun, 2)
		w.want(w.deliver(byHand("run")), Retriggered, "")
		if e := w.entries("run"); e.Run.Call.ClientID != "new-client" {
			t.Errorf("%+v", e.Run)
		}
	})
}

func TestACredentialThatIsRefusedToReadIsRenewedOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		renewals := 0
		w.accounts.onRenew = func() (string, error) {
			renewals++
			return "new-client", nil
		}
		w.adobe.refuseToken(flowsim.OpRun, 9)
		r := w.deliver(byHand("run"))
		w.want(r, Returned, CredentialsRefused)
		if e := w.entries("run"); renewals != 2 || e.Run.Faults != 0 || !r.Waits() {
			t.Errorf("%d renewals, %+v", renewals, e.Run)
		}
	})
}

func TestAThrottledReadTellsTheOtherProcesses(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: 429, Header: map[string]string{"Retry-After": "60"}})
		r := w.deliver(byHand("run"))
		w.want(r, Returned, Throttled)
		if w.throttle.published != 1 || r.RetryAfter != time.Minute {
			t.Errorf("%d slow-downs, %+v", w.throttle.published, r)
		}
		w.throttle.err = nil
	})
}

func TestAFaultIsCountedThoughAnotherDeliveryChangesTheEntry(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.adobe.unread()
		w.adobe.onCall = func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/runs/run") {
				if _, err := w.ledger.Note(w.Context(), w.entries("run"), ledger.AnEvent, ledger.Outcome{State: ledger.Skipped, Reason: string(RunInProgress)}); err != nil {
					t.Error(err)
				}
			}
		}
		w.want(w.deliver(byHand("run")), Returned, AdobeUnavailable)
		if got := w.entries("run").Run.Faults; got != 1 {
			t.Errorf("%d faults", got)
		}
	})
}

func TestWithoutAListingTheBreakerStaysOpen(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		openBreaker(w)
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: 503})
		w.want(w.deliver(req), DeadLettered, BreakerOpen)
		w.adobe.refuseToken(flowsim.OpRuns, 9)
		w.want(w.deliver(w.fail("other")), Returned, CredentialsRefused)
	})
}

func TestTheThirdExhaustedLineageOpensTheBreaker(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.Policy.Delays = nil // no attempts at all
		for _, id := range []string{"first", "second", "third"} {
			w.want(w.deliver(w.fail(id)), DeadLettered, AttemptsExhausted)
			pass(time.Second)
		}
		if flow := w.entries("third").Flow; flow.Exhausted != 3 || !flow.BlockedUntil.After(time.Now()) || !strings.Contains(w.log.String(), "the breaker of a dataflow is open") {
			t.Errorf("%+v", flow)
		}
	})
}
