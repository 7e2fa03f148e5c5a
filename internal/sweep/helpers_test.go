package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// stage is what a sweep works on: a Flow Service with one org, a table in memory, and fakes
// of the secrets, the request queue and the dead-letter queue.
type stage struct {
	t       *testing.T
	adobe   *flowsim.Server
	table   *memory.Table
	limits  *throttle.Throttle
	options Options
	// handler serves Adobe's calls; nil for the simulator itself.
	handler http.Handler

	accounts *accounts

	queue   []requestqueue.Waiting
	noQueue bool
	refuse  func(runID string) error // by the request queue

	pages   int   // of sweeps, so far
	births  int   // how often the ledger's birth was asked for
	bornErr error // when it is asked for

	letters   []event.Sweep
	runs      []event.Request // dead letters of runs
	noLetters bool            // the dead-letter queue is not available
}

// onStage runs the test in a bubble of testing/synctest.
func onStage(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, adobe: flowsim.New(flowsim.Options{}), table: memory.New()}
		s.table.MadeAt(time.Now().Add(-365 * 24 * time.Hour))
		s.adobe.AddOrg(flowsim.Org{ID: org, ClientID: "client", Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{"prod", "dev"}})
		s.limits = throttle.New(s.table, throttle.Limits{}, false, time.Now)
		s.accounts = newAccounts(s)
		s.options = Options{
			Since: 24 * time.Hour, Limit: 1000, DefaultSandbox: "prod", Pace: time.Second, CallTimeout: time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Rules: retry.Rules{Policy: &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}},
		}
		test(t, s)
	})
}

// fail makes so many failed runs of dataflow f, one a second, up to an hour ago.
func (s *stage) fail(n int) (ids []string) {
	const flowID = "f"
	s.adobe.AddFlow(flowsim.Flow{ID: flowID, Name: "name of " + flowID, OrgID: org, Sandbox: "prod"})
	for i := range n {
		id := fmt.Sprintf("%s-%03d", flowID, i)
		at := time.Now().Add(-time.Hour + time.Duration(i-n)*time.Second)
		s.adobe.AddRun(flowsim.Run{ID: id, FlowID: flowID, Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, CreatedClient: "acp_ui_platform", Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}}})
		ids = append(ids, id)
	}
	return ids
}

// run runs one invocation's part of a sweep.
func (s *stage) run(req event.Sweep) Result {
	s.t.Helper()
	return s.within(5*time.Minute, req)
}

func (s *stage) within(timeout time.Duration, req event.Sweep) Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), timeout)
	defer cancel()
	var queue Requests
	if !s.noQueue {
		queue = s
	}
	sweeper := New(s.accounts, ledger.New(s.table, ledger.DefaultTTL, time.Now), births{s.table, s}, queue, s.limits, s.giveUp, s.giveUpRun, s.options)
	return sweeper.Run(ctx, req, time.Now())
}

// finish runs a sweep until it does not go on, and returns the last result and how many
// invocations it took.
func (s *stage) finish(req event.Sweep) (r Result, invocations int) {
	s.t.Helper()
	for invocations = 1; ; invocations++ {
		if r = s.run(req); !r.Again {
			return r, invocations
		}
		if invocations == 100 {
			s.t.Fatalf("the sweep does not end: %+v", r.Report)
		}
		<-time.After(r.After)
	}
}

// queued are the runs whose requests are on the queue.
func (s *stage) queued() (ids []string) {
	for _, m := range s.queue {
		ids = append(ids, m.Request.RunID)
	}
	return ids
}

// checkLetters holds that each dead letter of a sweep asks for the one sandbox again.
func (s *stage) checkLetters() {
	s.t.Helper()
	for _, rest := range s.letters {
		if !slices.Equal(rest.OrgIDs, []string{org}) || !slices.Equal(rest.Sandboxes, []string{"prod"}) {
			s.t.Errorf("a dead letter asks for %+v", rest)
		}
	}
}

// Send implements [Requests].
func (s *stage) Send(_ context.Context, requests []requestqueue.Waiting) []error {
	errs := make([]error, len(requests))
	for i, r := range requests {
		if s.refuse != nil {
			errs[i] = s.refuse(r.Request.RunID)
		}
		if errs[i] == nil {
			s.queue = append(s.queue, r)
		}
	}
	return errs
}

func (s *stage) giveUp(_ context.Context, rest event.Sweep, _, _ string) bool {
	if !s.noLetters {
		s.letters = append(s.letters, rest)
	}
	return !s.noLetters
}

func (s *stage) giveUpRun(_ context.Context, req event.Request, _ string) bool {
	if !s.noLetters {
		s.runs = append(s.runs, req)
	}
	return !s.noLetters
}

var errDown = errors.New("down")

// refusing refuses those runs, or all without any.
func refusing(err error, ids ...string) func(string) error {
	return func(id string) error {
		if len(ids) == 0 || slices.Contains(ids, id) {
			return err
		}
		return nil
	}
}

// births is the stage's table, which counts how often it is asked for its birth.
type births struct {
	*memory.Table
	s *stage
}

func (b births) Born(ctx context.Context) (time.Time, error) {
	if b.s.births++; b.s.bornErr != nil {
		return time.Time{}, b.s.bornErr
	}
	return b.Table.Born(ctx)
}
