package sweep

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

var sweep = event.Sweep{ID: "s"}

func TestASweepRequestsEachFailedRunAtThePace(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		ids := s.fail(120)
		began := time.Now()
		r := s.run(sweep)
		if r.Report.State != Finished || r.Again || r.Report.Pages != 2 {
			t.Fatalf("the result is %+v", r)
		}
		if want := (Counts{Seen: 120, Failed: 120, Requested: 120}); !cmp.Equal(want, r.Report.Counts) || !cmp.Equal(want, r.Added) {
			t.Errorf("the counts are %+v and %+v", r.Report.Counts, r.Added)
		}
		if diff := cmp.Diff(ids, s.queued()); diff != "" {
			t.Errorf("the requests (-want +got):\n%s", diff)
		}
		for i, m := range s.queue {
			if want := began.Add(time.Duration(i) * time.Second); !m.Request.Due.Equal(want) || m.Delay != want.Sub(began) {
				t.Fatalf("request %d is due at %s, want %s", i, m.Request.Due, want)
			}
		}
		if c := r.Report.Flows["f"]; c.Name != "name of f" || c.Requested != 120 {
			t.Errorf("the dataflow's counts are %+v", c)
		}
	})
}

func TestNoRunIsRequestedTwice(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(120)
		s.run(sweep)
		if again := s.run(sweep); !again.Report.Repeated || again.Report.Requested != 120 || again.Added.Seen != 0 {
			t.Errorf("the sweep, delivered again: %+v", again)
		}
		if r := s.run(event.Sweep{ID: "another"}); r.Report.Skipped[Waiting] != 120 {
			t.Errorf("another sweep: %+v", r)
		}
		if len(s.queue) != 120 {
			t.Errorf("%d requests are on the queue", len(s.queue))
		}
	})
}

func TestADryRunSaysWhatASweepWouldDoAndWritesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(2)
		s.adobe.AddFlow(flowsim.Flow{ID: "stream", Name: strings.Repeat("long", 50), OrgID: org, Sandbox: "prod", Streaming: true})
		s.adobe.AddRun(flowsim.Run{ID: "streamed", FlowID: "stream", Status: flowsim.Failed, CompletedAt: time.Now()})
		s.noQueue = true
		r := s.run(event.Sweep{ID: "dry", DryRun: true, Since: "48h"})
		if r.Report.State != Finished || !r.Report.DryRun || len(r.Report.Runs) != 3 || r.Report.Requested != 2 || r.Report.Skipped[StreamingRun] != 1 || r.Report.Until.Sub(r.Report.Since) < 48*time.Hour {
			t.Fatalf("the report is %+v", r.Report)
		}
		want := RunReport{RunID: "f-000", FlowID: "f", FlowName: "name of f", ErrorCode: "CONNECTOR-1001-500", OrgID: org, Sandbox: "prod", Decision: "requested"}
		if diff := cmp.Diff(want, r.Report.Runs[0]); diff != "" {
			t.Errorf("the first run (-want +got):\n%s", diff)
		}
		if name := r.Report.Flows["stream"].Name; len(name) > maxName+len("…") || !strings.HasSuffix(name, "…") {
			t.Errorf("the name of the streaming dataflow is %q", name)
		}
		if len(s.table.Records()) != 0 {
			t.Errorf("a dry run has written %v", s.table.Records())
		}
	})
}

func TestASweepEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(250)
		r, _ := s.finish(event.Sweep{ID: "s", Limit: 110})
		if !r.Report.Limited || r.Report.Requested != 110 || r.Report.Skipped[OverLimit] != 90 || len(s.queue) != 110 || r.Report.State != Finished {
			t.Errorf("the report is %+v", r.Report)
		}
	})
}

func TestASweepOfAPausedOrgWaits(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(1)
		if _, err := s.limits.Pause(t.Context(), throttle.Scope{OrgID: org}, throttle.Cause{}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if r := s.run(sweep); !r.Again || r.After < 50*time.Second || !slices.Contains(r.Reasons, retry.Paused) || s.adobe.Count(flowsim.OpRuns) != 0 {
			t.Errorf("the result is %+v", r)
		}
	})
}

func TestSweepsThatCantBeginSayWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		req     event.Sweep
		change  func(*stage)
		refused string
	}{
		"no queue":       {sweep, func(s *stage) { s.noQueue = true }, "QUEUE_URL is not set"},
		"an empty time":  {event.Sweep{ID: "s", Since: "1h", Until: "2h"}, nil, "can't begin at"},
		"an unknown org": {event.Sweep{ID: "s", OrgIDs: []string{"B@AdobeOrg"}}, nil, "no configured secret is of org B@AdobeOrg"},
		"no sandbox":     {sweep, func(s *stage) { s.options.DefaultSandbox = "" }, "name a sandbox"},
		"many sandboxes": {event.Sweep{ID: "s", Sandboxes: make([]string, 501)}, nil, "501 sandboxes, more than 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				if tt.change != nil {
					tt.change(s)
				}
				r := s.run(tt.req)
				if r.Report.State != Refused || !strings.Contains(r.Refused, tt.refused) || r.Again {
					t.Errorf("the result is %+v, want it refused since: %s", r, tt.refused)
				}
			})
		})
	}
}

// TestWhatASweepDoesAfterAFault: a fault of Adobe's, what the sweep says at once, and how it
// ends.
func TestWhatASweepDoesAfterAFault(t *testing.T) {
	t.Parallel()
	down := flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable}
	ten := down
	ten.Times = 10
	for name, tt := range map[string]struct {
		fault     flowsim.Fault
		reason    retry.Reason
		after     time.Duration
		requested int
		letters   int
		restarts  int
	}{
		"a page fails once":              {down, retry.AdobeUnavailable, 30 * time.Second, 120, 0, 0},
		"ten failures in a row":          {ten, retry.AdobeUnavailable, 30 * time.Second, 0, 1, 0},
		"Adobe asks to slow down":        {flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "7"}}, retry.Throttled, 7 * time.Second, 120, 0, 0},
		"the same for names":             {flowsim.Fault{Op: flowsim.OpFlows, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "7"}}, retry.Throttled, 7 * time.Second, 120, 0, 0},
		"names can't be read":            {flowsim.Fault{Op: flowsim.OpFlows, Status: http.StatusForbidden}, "", 0, 120, 0, 0},
		"the sandbox is forbidden":       {flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusForbidden}, "", 0, 0, 1, 0},
		"updatedAt is no filter":         {flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusBadRequest}, "", 0, 120, 0, 0},
		"no filter works":                {flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusBadRequest, Times: 2}, "", 0, 0, 1, 0},
		"the continuation token is old":  {flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusBadRequest, After: 2}, "", 0, 120, 0, 1},
		"a token is refused (401), once": {flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusUnauthorized, Times: 2}, "", 0, 120, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				s.fail(120)
				s.adobe.Inject(tt.fault)
				r := s.run(sweep)
				if waits := tt.reason != ""; r.Again != waits || waits && (r.After != tt.after || !slices.Contains(r.Reasons, tt.reason)) {
					t.Errorf("the first result is %+v", r)
				}
				<-time.After(r.After)
				r, _ = s.finish(sweep)
				if r.Report.State != Finished || r.Report.Requested != tt.requested || len(s.letters) != tt.letters || len(r.Report.Failures) != tt.letters || r.Report.Restarts != tt.restarts {
					t.Errorf("the sweep ends so: %+v, %d dead letters", r.Report, len(s.letters))
				}
				if once := slices.Compact(slices.Sorted(slices.Values(s.queued()))); len(once) != tt.requested || len(s.queue) != tt.requested {
					t.Errorf("%d requests for %d runs, want %d", len(s.queue), len(once), tt.requested)
				}
				s.checkLetters()
			})
		})
	}
}

func TestADryRunDoesNotWaitForAdobe(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"down": http.StatusServiceUnavailable, "slow": http.StatusTooManyRequests} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				s.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: status})
				if r := s.run(event.Sweep{DryRun: true}); r.Report.State != CutOff || r.Again || r.Report.Error == "" || len(s.letters) != 0 {
					t.Errorf("the result is %+v", r)
				}
			})
		})
	}
}

func TestASandboxThatCantBeGivenUpIsTriedAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.noLetters = true
		s.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusForbidden, Times: 2})
		if r := s.run(sweep); !r.Again || r.GaveUp != 0 || !slices.Contains(r.Reasons, retry.DeadLetterQueueUnavailable) {
			t.Errorf("the result is %+v", r)
		}
		s.noLetters = false
		if r := s.run(sweep); r.Again || r.GaveUp != 1 || len(s.letters) != 1 {
			t.Errorf("with a dead-letter queue: %+v", r)
		}
	})
}

func TestARequestThatTheQueueRefusesBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(3)
		s.refuse, s.noLetters = refusing(&requestqueue.RefusedError{Message: "characters"}, "f-001"), true
		if r := s.run(sweep); !r.Again || r.Report.Requested != 0 || !slices.Contains(r.Reasons, retry.DeadLetterQueueUnavailable) {
			t.Errorf("without a dead-letter queue: %+v", r)
		}
		s.noLetters = false
		<-time.After(time.Minute)
		r, _ := s.finish(sweep)
		if r.Report.Requested != 2 || r.Report.Skipped[Reason(retry.Unsendable)] != 1 || len(s.runs) != 1 || s.runs[0].RunID != "f-001" || len(s.queue) != 2 {
			t.Errorf("the report is %+v, %d on the queue", r.Report, len(s.queue))
		}
	})
}

func TestAPageThatCantBeSentIsRepeated(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(3)
		s.refuse = refusing(&requestqueue.UnavailableError{Err: errDown}, "f-002")
		if r := s.run(sweep); !r.Again || r.Report.Seen != 0 || r.Report.Requested != 0 || r.Added.Seen != 0 || !slices.Contains(r.Reasons, retry.QueueUnavailable) {
			t.Errorf("the result is %+v", r)
		}
		s.refuse = nil
		<-time.After(time.Minute)
		r, _ := s.finish(sweep)
		if diff := cmp.Diff([]string{"f-000", "f-001", "f-002"}, s.queued()); diff != "" || r.Report.Requested != 3 || r.Report.Seen != 3 {
			t.Errorf("the requests (-want +got):\n%s%+v", diff, r.Report)
		}
	})
}

func TestASweepWaitsForASecretThatCantBeRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		orgs    []string
		letters int
	}{"of all orgs": {nil, 0}, "of the org that is asked for": {[]string{org}, 0}, "of another org than is asked for": {[]string{"B@AdobeOrg"}, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				s.fail(1)
				s.accounts.faults = []*credentials.Error{{Kind: credentials.Unavailable, Err: errDown}}
				req := event.Sweep{ID: "s", OrgIDs: tt.orgs}
				r := s.run(req)
				if !r.Again || !slices.Contains(r.Reasons, retry.CredentialsUnavailable) {
					t.Fatalf("the result is %+v", r)
				}
				s.accounts.faults = nil
				<-time.After(r.After)
				if r, _ = s.finish(req); r.Report.State != Finished || len(s.letters) != tt.letters || r.Report.Requested != 1-tt.letters {
					t.Errorf("with the secret: %+v, %d dead letters", r.Report, len(s.letters))
				}
			})
		})
	}
}

func TestARefusedCredentialIsNeverADeadLetter(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(1)
		s.accounts.renewed = 1 // no other credential works
		s.adobe.RotateSecret(org, "new")
		for range 70 {
			r := s.run(sweep)
			if !r.Again || r.After < firstBackoff || r.After > maxBackoff || !slices.Contains(r.Reasons, retry.CredentialsRefused) {
				t.Fatalf("the result is %+v", r)
			}
			<-time.After(r.After)
		}
		s.adobe.RotateSecret(org, "s")
		s.accounts.renewed = 0
		if r, _ := s.finish(sweep); r.Report.Requested != 1 || len(s.letters) != 0 {
			t.Errorf("with a valid secret: %+v", r.Report)
		}
	})
}

func TestAnInvocationThatIsTooShortIsAFailure(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(1)
		if r := s.within(8*time.Second, sweep); !r.Again || !strings.Contains(r.Report.Error, "raise the function's timeout") {
			t.Errorf("the result is %+v", r)
		}
	})
}

func TestASecondInvocationWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(1)
		var second Result
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.handler = nil; s.queue == nil {
				second = s.run(sweep)
			}
			s.adobe.ServeHTTP(w, r)
		})
		if r := s.run(sweep); r.Report.State != Finished || r.Report.Requested != 1 {
			t.Errorf("the first result is %+v", r)
		}
		if !second.Again || second.After < time.Minute || second.Report.Requested != 0 || second.Report.Error != "" {
			t.Errorf("the second result is %+v", second)
		}
	})
}
