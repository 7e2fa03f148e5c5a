package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// wouldRetrigger is the metric of runs that a function which only observes would have
// re-triggered.
const wouldRetrigger = "would_retrigger"

// observing lets the function that is started from now on only observe, or retry.
func (d driver) observing(on bool) { d.Config.Observe = on }

// wantUntouched checks that nothing was sent or written of any run, and that no message waits.
func (r results) wantUntouched() {
	r.TB.Helper()
	if n := len(r.sent()); n != 0 {
		r.TB.Errorf("%d re-triggers", n)
	}
	for name, queue := range map[string]string{"request": r.Requests, "dead-letter": r.DeadLetterQueue} {
		if n := len(r.AWS.Messages(queue)); n != 0 {
			r.TB.Errorf("%d messages are on the %s queue", n, name)
		}
	}
	for _, record := range r.Memory.Records() {
		if !strings.HasPrefix(record["pk"], "org#") { // that the function lives is no change
			r.TB.Errorf("the table has %v", record)
		}
	}
}

// TestObserveModeCountsWhatItWouldRetryAndChangesNothing: Failure events are decided on as
// ever. Nothing is sent, not even for a token, and what comes is answered and gone.
func TestObserveModeCountsWhatItWouldRetryAndChangesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.observing(true)
		w.Config.RetryDelays = []time.Duration{5 * time.Minute} // the run would wait
		w.Flow("g", worldOrg)
		later := w.Fail("f")
		w.tellAll([]string{later, w.Fail("f"), w.Fail("g")})
		w.Drain(24 * time.Hour)
		w.Config.RetryDelays = []time.Duration{0}
		now := w.Fail("g")
		w.Told(now)
		w.Drain(24 * time.Hour)
		for _, id := range []string{later, now} {
			if got := w.outcomesOf(id); !slices.Equal(got, []string{"skipped would_retrigger"}) {
				t.Errorf("run %s is %q", id, got)
			}
		}
		if ends := w.Logs.Ends(now); len(ends) == 1 && !strings.Contains(ends[0].Detail, "would be re-triggered, as attempt 1") || !strings.Contains(ends[0].Detail, "MODE=observe") {
			t.Errorf("the log says %+v", ends)
		}
		if n := w.Logs.Sum(wouldRetrigger); n != 4 {
			t.Errorf("the metric has %d runs, want 4", n)
		}
		if calls := w.Adobe.Calls(); len(calls) != 0 {
			t.Errorf("Adobe was called: %v", calls)
		}
		w.wantUntouched()
	})
}

// TestObserveModeGivesTheReasonForWhichARunWouldNotBeRetried: The reason is that of a
// function that retries, and the outcome is skipped: there is neither a dead letter nor a
// waiting message.
func TestObserveModeGivesTheReasonForWhichARunWouldNotBeRetried(t *testing.T) {
	t.Parallel()
	for reason, arrange := range map[string]func(w *world) (runID string){
		"too_old": func(w *world) string {
			w.Adobe.AddRun(flowsim.Run{ID: "old", FlowID: "f", Status: flowsim.Failed, CreatedAt: time.Now().Add(-8 * 24 * time.Hour), CompletedAt: time.Now().Add(-8 * 24 * time.Hour)})
			return "old"
		},
		"data_error": func(w *world) string {
			w.Adobe.AddRun(flowsim.Run{ID: "bad", FlowID: "f", Status: flowsim.Failed, CompletedAt: time.Now(), Errors: []flowsim.RunError{{Code: "INGEST-1212-400"}}})
			return "bad"
		},
		"run_succeeded": func(w *world) string {
			w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, CompletedAt: time.Now(), Records: 1})
			return "good"
		},
		"credentials_unavailable": func(w *world) string { // the run must be read
			w.AWS.PutSecret("secret-W", "no credential")
			w.AWS.PutSecret("secret-V", "no credential")
			w.Send(`{"runId":"any","orgId":"` + worldOrg + `"}`)
			w.Told = func(string) {}
			return "any"
		},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.observing(true)
				id := arrange(w)
				w.Told(id)
				w.Drain(24 * time.Hour)
				if got := w.outcomesOf(id); !slices.Equal(got, []string{"skipped " + reason}) {
					t.Errorf("run %s is %q", id, got)
				}
				if n := w.Logs.Sum(wouldRetrigger); n != 0 {
					t.Errorf("the metric has %d runs", n)
				}
				w.wantUntouched()
			})
		})
	}
}

func TestObserveModeSaysSoToARequestByHand(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ fields, reason string }{
		"as it is": {``, "would_retrigger"},
		"force":    {`,"force":true`, "would_retrigger"},
		"dry run":  {`,"dryRun":true`, "dry_run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.observing(true)
				r := w.invoke(w.Start(-1, false), `{"runId":"`+w.Fail("f")+`","orgId":"`+worldOrg+`"`+tt.fields+`}`).Results[0]
				if r.Outcome != "skipped" || string(r.Reason) != tt.reason || !strings.Contains(r.Message, "would be re-triggered") || !strings.Contains(r.Message, "the function only observes (MODE=observe)") {
					t.Errorf("the answer is %+v", r)
				}
				w.wantUntouched()
			})
		})
	}
}

// TestWhatWaitsWhenObserveModeBeginsWaitsUntilItEnds: A deferred run, a lost call and a
// redriven dead letter have messages when the function begins to observe. They stay, and
// each run is re-triggered once when the function retries again.
func TestWhatWaitsWhenObserveModeBeginsWaitsUntilItEnds(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(w *world, runID string){
		"a deferred run": func(w *world, runID string) {
			w.Config.RetryDelays = []time.Duration{5 * time.Minute}
			w.Told(runID)
			w.Poll(w.Start(-1, false))
		},
		"a call without an answer, which made a run": func(w *world, runID string) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
			w.Told(runID)
			w.Poll(w.Start(-1, false))
		},
		"a crash before the call": func(w *world, runID string) {
			w.Told(runID)
			w.Poll(w.Start(5, false))
		},
		"a refused credential": func(w *world, runID string) {
			w.AWS.PutSecret("secret-W", "no credential")
			w.Told(runID)
			w.Poll(w.Start(-1, false))
			w.AWS.PutSecret("secret-W", `{"client_id":"client-W","client_secret":"s","org_id":"`+worldOrg+`","scopes":"openid","sandbox":"prod"}`)
		},
		"another run's turn": func(w *world, runID string) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
			w.invoke(w.Start(-1, false), `{"runId":"`+w.Fail("f")+`","flowId":"f","orgId":"`+worldOrg+`"}`)
			w.Told(runID)
			w.Poll(w.Start(-1, false))
			if all := w.AWS.Messages(w.Requests); len(all) != 2 {
				w.TB.Fatalf("%d messages wait, want one of each run", len(all))
			}
		},
		"a redriven dead letter": func(w *world, runID string) {
			w.AWS.PutSecret("secret-W", `{"client_id":"client-V","client_secret":"s","org_id":"V2@AdobeOrg","scopes":"openid","sandbox":"prod"}`)
			w.Told(runID)
			w.Poll(w.Start(-1, false))
			w.AWS.PutSecret("secret-W", `{"client_id":"client-W","client_secret":"s","org_id":"`+worldOrg+`","scopes":"openid","sandbox":"prod"}`)
			if len(w.AWS.Messages(w.DeadLetterQueue)) != 1 {
				w.TB.Fatalf("there is no dead letter\n%v", w)
			}
			w.redrive()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				arrange(w, id)
				before, waiting := len(w.sent()), len(w.AWS.Messages(w.Requests))
				w.observing(true)
				w.Drain(observedFor)
				if n := len(w.sent()) - before; n != 0 {
					t.Errorf("%d re-triggers in observe mode", n)
				}
				if n := len(w.AWS.Messages(w.Requests)); n != waiting {
					t.Fatalf("%d messages wait, want %d", n, waiting)
				}
				if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
					t.Errorf("%d dead letters", n)
				}
				w.observing(false)
				w.Drain(2 * time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestInputThatCanNotBeReadIsADeadLetterInObserveMode: It is about no run, and the first
// days are when people find out in which shape Adobe's events come.
func TestInputThatCanNotBeReadIsADeadLetterInObserveMode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.observing(true)
		w.Send(onBus(`{"nothing":"known"}`))
		w.Send(`{"runID":`)
		w.Drain(time.Hour)
		if got := w.reasons(); got["unrecognized"] != 1 || got["unreadable"] != 1 || w.Logs.Sum("unrecognized") != 1 {
			t.Errorf("the dead letters are %v", got)
		}
	})
}

// TestASuccessOfARunThatWasMadeBeforeIsRecordedInObserveMode: It changes nothing in Adobe,
// and comes once.
func TestASuccessOfARunThatWasMadeBeforeIsRecordedInObserveMode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		_, child, _ := w.success()
		w.observing(true)
		w.tellSuccess(child, w.Start(-1, false))
		if e := w.Entry(child); e["state"] != "succeeded" || w.Logs.Sum("recovered") != 1 {
			t.Errorf("the entry of the run is %v", e)
		}
	})
}

// TestAFailureOfARunThatWasMadeBeforeIsOnlyCountedInObserveMode: The second attempt counts
// as what it would be.
func TestAFailureOfARunThatWasMadeBeforeIsOnlyCountedInObserveMode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(1)
		w.Told(w.Fail("f"))
		w.Poll(w.Start(-1, false))
		w.observing(true)
		before := len(w.Memory.Records())
		w.Drain(time.Hour) // the second run fails
		ends := w.Logs.Outcomes()
		if last := ends[len(ends)-1]; last.Reason != wouldRetrigger || !strings.Contains(last.Detail, "would be deferred (retry_delay)") {
			t.Errorf("the log says %+v", last)
		}
		if len(w.sent()) != 1 || len(w.Memory.Records()) != before || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Errorf("something was changed\n%v", w)
		}
	})
}

func TestPauseAndResumeWorkInObserveMode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.observing(true)
		if all := w.pausing("pause", `"reason":"maintenance"`); len(all) != 1 {
			t.Errorf("the pauses are %v", all)
		}
		id := w.Fail("f")
		w.Told(id)
		w.Drain(time.Hour)
		if ends := w.Logs.Ends(id); len(ends) != 1 || ends[0].Reason != wouldRetrigger || !strings.Contains(ends[0].Detail, "would wait") {
			t.Errorf("in a pause the log says %+v", ends)
		}
		if all := w.pausing("resume", ""); len(all) != 0 || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Errorf("the pauses are %v", all)
		}
	})
}

// TestWithoutTheLedgerObserveModeAnswersNewMessagesAndKeepsOthers: The alarm's metric counts.
func TestWithoutTheLedgerObserveModeAnswersNewMessagesAndKeepsOthers(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Reset: true})
		before, after := w.Fail("f"), w.Fail("f")
		w.Told(before)
		w.Poll(w.Start(-1, false))
		w.observing(true)
		w.Faults.Fail(0, 1000)
		w.Told(after)
		w.Drain(24 * time.Hour)
		if got := w.outcomesOf(after); !slices.Equal(got, []string{"skipped ledger_unavailable"}) || w.Logs.Sum("ledger_unavailable") != 1 {
			t.Errorf("the new run is %q", got)
		}
		if len(w.AWS.Messages(w.Requests)) != 1 || len(w.AWS.Messages(w.DeadLetterQueue)) != 0 {
			t.Errorf("the message from before is not there\n%v", w)
		}
		w.Faults.Fail(0, 0)
		w.observing(false)
		w.Drain(3 * time.Hour)
		w.wantOnce(t, []string{before})
	})
}

// TestAScheduledSweepInObserveModeReportsAndWritesNothing: It says what it would request,
// as often as it is made.
func TestAScheduledSweepInObserveModeReportsAndWritesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.observing(true)
		id := w.Fail("f")
		pass(time.Minute)
		for range 2 {
			r := w.sweep(bareSchedule)
			if r.State != sweep.Finished || !r.DryRun || !r.Observed || r.Requested != 1 || len(r.Runs) != 1 || r.Runs[0].RunID != id {
				t.Errorf("the report is %+v", r)
			}
		}
		if n := w.Logs.Sum("sweep_requested"); n != 2 {
			t.Errorf("sweep_requested has %d", n)
		}
		w.Send(onlySweep) // also one from the queue
		w.Drain(time.Hour)
		w.wantUntouched()
	})
}

// TestAnInvocationInObserveModeThatCanNotBeDecidedSucceeds: Lambda delivers the event of a
// failed invocation again, and then to the dead-letter queue.
func TestAnInvocationInObserveModeThatCanNotBeDecidedSucceeds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.observing(true)
		w.Faults.Fail(0, 1000)
		answer, err := w.Start(-1, false).Invoke(t.Context(), w.Adobe.FailureEvent(w.Fail("f")))
		if err != nil || answer.FunctionError != "" || !strings.Contains(string(answer.Payload), "ledger_unavailable") {
			t.Errorf("%v, %+v", err, answer)
		}
		w.wantUntouched()
	})
}
