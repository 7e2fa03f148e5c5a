package handler

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

func request(runID string) string { return fmt.Sprintf(`{"runId":%q,"orgId":%q}`, runID, testOrg) }

func TestOnlyMessagesThatAreNotDoneComeAgain(t *testing.T) {
	t.Parallel()
	f := newFunction()
	again := f.poll(t,
		sent{body: request("good-1")},
		sent{body: request("throttled-1")},
		sent{body: `noise`},
		sent{body: `{"source":"aws.s3","detail-type":"x","detail":{}}`},
		sent{id: "twice", body: request("flow_busy-1")},
		sent{id: "twice", body: request("flow_busy-2")},
	)
	if want := []string{"m2", "twice"}; !slices.Equal(again, want) {
		t.Errorf("%v come again, want %v", again, want)
	}
	if len(f.requests.postponed) != 2 || f.requests.postponed[0].Delay < 20*time.Minute {
		t.Errorf("the visibility timeouts are %v, want Adobe's 20 minutes at least for the first", f.requests.postponed)
	}
	if m := f.metrics(t); m["retriggered"] != 1.0 || m["returned"] != 3.0 || m["dead_lettered"] != 1.0 || m["skipped"] != 1.0 || m["throttled"] != 1.0 {
		t.Errorf("the metrics are %v", m)
	}
}

func TestOfAListThatIsDoneInPartOnlyTheRestIsPutOnTheQueue(t *testing.T) {
	t.Parallel()
	list := `{"requests":[` + request("good-1") + `,` + request("throttled-1") + `]}`
	f := newFunction()
	if again := f.poll(t, sent{body: list}); again != nil || !slices.Equal(f.engine.requeued, []string{"throttled-1"}) {
		t.Errorf("%v come again, %v are requeued", again, f.engine.requeued)
	}
	f = newFunction()
	f.engine.queueDown = true
	if again := f.poll(t, sent{body: list}); again != nil || len(f.engine.gaveUp) != 1 {
		t.Errorf("without the queue %v come again, %v are given up", again, f.engine.gaveUp)
	}
	f = newFunction()
	f.engine.queueDown, f.engine.noDead = true, true
	if again := f.poll(t, sent{body: list}); len(again) != 1 {
		t.Errorf("without both queues %v come again", again)
	}
}

func TestAMessageThatCrashesTheFunctionIsGivenUpBeforeTheWork(t *testing.T) {
	t.Parallel()
	f := newFunction()
	again := f.poll(t, sent{body: request("good-1"), receives: 51}, sent{body: request("good-2"), receives: 50})
	if again != nil || !slices.Equal(f.engine.worked, []string{"good-2"}) {
		t.Errorf("%v come again, %v were worked on", again, f.engine.worked)
	}
	if len(f.engine.gaveUp) != 1 || !strings.HasPrefix(f.engine.gaveUp[0], "good-1: never_finished") {
		t.Errorf("%v are given up", f.engine.gaveUp)
	}
}

func TestAMessageOfWhoseRunTheLedgerTellsIsNoPoison(t *testing.T) {
	t.Parallel()
	table := memory.New()
	entries := ledger.New(table, ledger.DefaultTTL, time.Now)
	if _, err := entries.CountFault(t.Context(), ledger.Snapshot(nil).Entries(ledger.Ref{OrgID: testOrg, RunID: "good-1"}), ledger.AnEvent, "m/1", "x"); err != nil {
		t.Fatal(err)
	}
	engine := retry.New(nil, entries, table, nil, nil, nil, retry.Options{Rules: retry.Rules{Policy: &policy.Policy{}}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	f := newFunction()
	f.engine.batch = engine.Read(t.Context(), []event.Request{{OrgID: testOrg, RunID: "good-1"}, {OrgID: testOrg, RunID: "good-2"}})
	f.poll(t, sent{body: request("good-1"), receives: 51, age: time.Hour}, sent{body: request("good-2"), receives: 51, age: time.Hour})
	if !slices.Equal(f.engine.worked, []string{"good-1"}) || len(f.engine.gaveUp) != 1 {
		t.Errorf("%v were worked on, %v given up", f.engine.worked, f.engine.gaveUp)
	}
}

func TestADeadLetterAfter13DaysSaysWhatTheMessageWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.poll(t, sent{body: request("flow_busy-1"), age: 13*24*time.Hour + time.Minute})
	if len(f.engine.gaveUp) != 1 || !strings.Contains(f.engine.gaveUp[0], "waited_too_long: it waited for 13 days (flow_busy)") {
		t.Errorf("given up are %v", f.engine.gaveUp)
	}
}

func TestAWaitingMessageIsReplacedByACopyBeforeItLooksLikePoison(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if again := f.poll(t, sent{body: request("flow_busy-1"), receives: 40}); again != nil || len(f.engine.requeued) != 1 {
		t.Errorf("%v come again, %v are requeued", again, f.engine.requeued)
	}
}

func TestWithoutTheLedgerReceivesCountAsFaults(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if again := f.poll(t, sent{body: request("ledger_unavailable-1"), receives: 10}); again != nil || len(f.engine.gaveUp) != 1 {
		t.Errorf("%v come again, %v are given up", again, f.engine.gaveUp)
	}
}

func TestAMessageThatIsEarlyComesWhenItIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFunction()
		due := time.Now().Add(7 * time.Minute)
		body := fmt.Sprintf(`{"runId":"good-1","orgId":%q,"origin":{"due":%q}}`, testOrg, due.UTC().Format(time.RFC3339Nano))
		if again := f.poll(t, sent{body: body}, sent{body: request("paused-1")}); len(again) != 2 {
			t.Fatalf("%v come again", again)
		}
		if p := f.requests.postponed; p[0].Delay != 7*time.Minute || p[1].Delay != 10*time.Minute {
			t.Errorf("they are put off by %v", p)
		}
	})
}

func TestADueTimeThatNoMessageCanHaveIsRefused(t *testing.T) {
	t.Parallel()
	f := newFunction()
	body := fmt.Sprintf(`{"runId":"good-1","orgId":%q,"origin":{"due":%q}}`, testOrg, time.Now().Add(15*24*time.Hour).UTC().Format(time.RFC3339))
	f.poll(t, sent{body: body})
	if !slices.Equal(f.engine.refused, []event.Reason{event.InvalidField}) || f.engine.worked != nil {
		t.Errorf("refused are %v, worked on were %v", f.engine.refused, f.engine.worked)
	}
}

func TestMessagesComeBackLaterThanWantedWhereNoTimeoutCanBeSet(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.requests.err = errAway
	if again := f.poll(t, sent{body: request("throttled-1")}); len(again) != 1 || !strings.Contains(f.log(), "the queue's own visibility timeout") {
		t.Errorf("%v come again; the log is %s", again, f.log())
	}
}

func TestWithoutTimeARequestIsReturnedUnstarted(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.engine.noTime = true
	if again := f.poll(t, sent{body: request("good-1")}); len(again) != 1 || f.engine.worked != nil || !strings.Contains(f.log(), `"reason":"deadline"`) {
		t.Errorf("%v come again after work on %v", again, f.engine.worked)
	}
}

func TestThePausesAreReadWithTheBatchWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.poll(t, sent{body: request("good-1")})
	if len(f.engine.extra) != 0 {
		t.Errorf("%v are read", f.engine.extra)
	}
	f.pauses.stale = true
	f.poll(t, sent{body: request("good-1")})
	if len(f.engine.extra) != 1 {
		t.Errorf("%v are read", f.engine.extra)
	}
}

func TestARepeatedPayloadThatIsNoBatchOfSQSFails(t *testing.T) {
	t.Parallel()
	if answer, err := newFunction().Invoke(t.Context(), []byte(`{"Records":[{"eventSource":"aws:sqs","messageId":1}]}`)); err == nil {
		t.Errorf("the answer is %s", answer)
	}
}

func TestTheBackoffGrowsAndHonorsAdobe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		receives := rapid.IntRange(0, 1000).Draw(t, "receives")
		least := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "least"))
		got := backoff(receives, least)
		if got < least || got < firstBackoff/2 || got > max(least, maxBackoff/2)+maxBackoff/2 {
			t.Fatalf("backoff(%d, %s) = %s", receives, least, got)
		}
		if receives >= 6 && got < maxBackoff/2 {
			t.Fatalf("backoff(%d) = %s, want it near %s", receives, got, maxBackoff)
		}
	})
}
