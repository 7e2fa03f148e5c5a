package retry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// said are the decisions on a run, without times and sentences.
func saidOf(w *world, runID string) []ledger.Decision {
	all := w.entries(runID).Run.Decisions
	for i := range all {
		all[i].At, all[i].Detail = time.Time{}, ""
	}
	return all
}

func (w *world) wantSaid(runID string, want ...ledger.Decision) {
	w.Helper()
	if diff := cmp.Diff(want, saidOf(w, runID), cmpopts.EquateEmpty()); diff != "" {
		w.Errorf("decisions on run %s (-want +got):\n%s", runID, diff)
	}
}

// TestEachDecisionNamesTheRuleThatMadeIt: a call is lost and leaves nothing, the run waits half
// an hour, and is sent once more.
func TestEachDecisionNamesTheRuleThatMadeIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("a")
		w.lose(req, false)
		pass(time.Minute)
		w.want(w.deliver(req), Deferred, OutcomeUnknown)
		pass(time.Hour)
		r := w.deliver(w.message())
		w.want(r, Retriggered, "")
		w.wantSaid("a",
			ledger.Decision{Outcome: "in_flight", Rule: 4, Attempt: 1},
			ledger.Decision{Outcome: "unconfirmed", Rule: 8, Attempt: 1},
			ledger.Decision{Outcome: "searched", Reason: "outcome_unknown", Rule: 13, Attempt: 1},
			ledger.Decision{Outcome: "deferred", Reason: "outcome_unknown", Rule: 16, Attempt: 1},
			ledger.Decision{Outcome: "in_flight", Rule: 16, Attempt: 2},
			ledger.Decision{Outcome: "retriggered", Rule: 16, Attempt: 2, NewRunID: r.NewRunID},
		)
		w.wantSaid(r.NewRunID, ledger.Decision{Outcome: "made", Rule: 2, Attempt: 2})
	})
}

func TestADecisionHasAdobesAnswerAndThePersonWhoAsked(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		w.fail("a")
		req := byHand("a")
		req.By, req.Reason = "arn:aws:iam::1:user/a", "the source is back"
		w.want(w.deliver(req), DeadLettered, Forbidden)
		all := saidOf(w, "a")
		if len(all) != 3 {
			t.Fatalf("decisions are %+v", all)
		}
		last := all[2]
		if last.By != req.By || last.Why != req.Reason || last.HTTPStatus != 403 || last.Code != "FLOW-2120-403" || last.Outcome != "dead_lettered" || last.Reason != "forbidden" {
			t.Errorf("the last decision is %+v", last)
		}
		if all[1].Outcome != "returned" || all[1].HTTPStatus != 403 || all[1].Rule != 8 {
			t.Errorf("the one before is %+v", all[1])
		}
	})
}

// TestADeadLetterThatNoEntryTellsOfIsListed: of input that can't be read, and of a run whose
// org is not known. That of a run is listed by the run's entry.
func TestADeadLetterThatNoEntryTellsOfIsListed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.want(w.engine().Refuse(w.Context(), []byte("?"), &event.Error{Reason: event.Unreadable, Message: "it is not JSON"}), DeadLettered, Reason(event.Unreadable))
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{}`})
		w.want(w.deliver(w.fail("a")), DeadLettered, Forbidden)
		letters, err := ledger.Lists{Table: w.table}.Letters(w.Context(), time.Time{}, 9)
		if err != nil || len(letters) != 1 || letters[0].Body != "?" || letters[0].Reason != "unreadable" || letters[0].Bytes != 1 {
			t.Fatalf("letters are %+v, %v", letters, err)
		}
		if w.letters.sent[0].LetterID != letters[0].ID || w.letters.sent[1].LetterID != "" {
			t.Errorf("the messages name the letters %q and %q, want %q alone", w.letters.sent[0].LetterID, w.letters.sent[1].LetterID, letters[0].ID)
		}
		found, err := w.ledger.Read(w.Context(), ledger.LetterKey(letters[0].ID))
		if err != nil {
			t.Fatal(err)
		}
		w.engine().Received(w.Context(), []store.Record{found[ledger.LetterKey(letters[0].ID)]})
		if left, err := (ledger.Lists{Table: w.table}).Letters(w.Context(), time.Time{}, 9); err != nil || len(left) != 0 {
			t.Errorf("after it was received: %+v, %v", left, err)
		}
	})
}
