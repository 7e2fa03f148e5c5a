package retrigger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	orgA = "A@AdobeOrg"
	orgB = "B@AdobeOrg"
)

// accounts serves any org with a client of one server.
type accounts struct {
	clients  map[string]*flowclient.Client
	sandbox  string
	panics   bool
	renewals atomic.Int32
}

func newAccounts(t *testing.T, url string, limits *throttle.Throttle) *accounts {
	t.Helper()
	a := &accounts{clients: map[string]*flowclient.Client{}}
	options := []flowclient.Option{flowclient.WithBaseURL(url), flowclient.WithIMSURL(url), flowclient.WithMaxAttempts(1)}
	for _, orgID := range []string{orgA, orgB} {
		tokens, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "c", ClientSecret: "s", Scopes: []string{"openid"}}, options...)
		if err != nil {
			t.Fatal(err)
		}
		if a.clients[orgID], err = flowclient.New(orgID, "c", tokens, append(options, flowclient.WithLimiter(limits.Org(orgID)))...); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *accounts) ForOrg(_ context.Context, orgID string) (*credentials.Account, error) {
	if a.panics {
		panic("a defect")
	}
	if orgID == "" {
		orgID = orgA
	}
	return &credentials.Account{OrgID: orgID, Sandbox: a.sandbox, Client: a.clients[orgID]}, nil
}

func (a *accounts) Renew(ctx context.Context, refused *credentials.Account, cause error) (*credentials.Account, error) {
	a.renewals.Add(1)
	if !errors.Is(cause, flowclient.KindUnauthorized) {
		return nil, fmt.Errorf("the cause of the renewal is %w", cause)
	}
	return a.ForOrg(ctx, refused.OrgID)
}

// letters keeps dead letters, or fails.
type letters struct {
	mu   sync.Mutex
	all  []deadletter.Message
	fail error
}

func (l *letters) Send(_ context.Context, letter deadletter.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, letter)
	return l.fail
}

// fixture is a Service against a server, with a clock that the test moves.
type fixture struct {
	service  *retrigger.Service
	accounts *accounts
	letters  *letters
	memory   *memory.Table
	calls    atomic.Int32 // re-triggers
	headers  sync.Map     // of the last re-trigger, by run
	now      time.Time
}

func newFixture(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *fixture {
	t.Helper()
	f := &fixture{letters: &letters{}, memory: memory.New(), now: time.Now()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ims/") {
			_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
			return
		}
		if r.Method == http.MethodPost {
			f.calls.Add(1)
			f.headers.Store(strings.Split(r.URL.Path, "/")[2], r.Header.Clone())
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	now := func() time.Time { return f.now }
	limits := throttle.New(f.memory, throttle.Limits{}, false, now)
	f.accounts = newAccounts(t, server.URL, limits)
	f.service = retrigger.New(f.accounts, ledger.New(f.memory, ledger.DefaultTTL, now), limits, f.letters, nil, retrigger.Options{
		Policy: &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}, CallTimeout: 10 * time.Second, Now: now, Log: slog.New(slog.DiscardHandler), DefaultSandbox: "default",
	})
	return f
}

func succeed(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"new"}`) }

// failed is the request of an event.
func failed(run, flow string) event.Request {
	return event.Request{RunID: run, FlowID: flow, Source: event.FromAdobe, Origin: event.Origin{EventID: "event-of-" + run, FlowName: "hourly"}}
}

func want(t *testing.T, got retrigger.Result, outcome retrigger.Outcome, reason retrigger.Reason) {
	t.Helper()
	if got.Outcome != outcome || got.Reason != reason {
		t.Errorf("result = %+v, want %s %s", got, outcome, reason)
	}
}

func TestTheSandboxIsTheRequestsThenTheSecretsThenTheDefault(t *testing.T) {
	t.Parallel()
	f := newFixture(t, succeed)
	for _, tt := range []struct{ request, secret, want string }{{"own", "secret", "own"}, {"", "secret", "secret"}, {"", "", "default"}} {
		f.accounts.sandbox = tt.secret
		run := "run-" + tt.want
		req := failed(run, "flow-"+run)
		req.Sandbox = tt.request
		result := f.service.Retry(t.Context(), req)
		want(t, result, retrigger.Retriggered, "")
		header, _ := f.headers.Load(run)
		if sent, ok := header.(http.Header); !ok || sent.Get("X-Sandbox-Name") != tt.want || result.Sandbox != tt.want || sent.Get("X-Gw-Ims-Org-Id") != orgA {
			t.Errorf("%+v was sent with %v", tt, header)
		}
	}
}

func TestAPanicIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, succeed)
	f.accounts.panics = true
	want(t, f.service.Retry(t.Context(), failed("run", "flow")), retrigger.DeadLettered, retrigger.InternalError)
	if len(f.letters.all) != 1 || f.letters.all[0].Request.RunID != "run" {
		t.Errorf("dead letters = %+v", f.letters.all)
	}
}

func TestAThrottledOrgWaitsAndOthersDoNot(t *testing.T) {
	t.Parallel()
	limited := true
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if limited && r.Method == http.MethodPost && r.Header.Get("X-Gw-Ims-Org-Id") == orgA {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		succeed(w, r)
	})
	retry := func(run, org string) retrigger.Result {
		req := failed(run, "flow-"+run)
		req.OrgID = org
		return f.service.Retry(t.Context(), req)
	}
	first := retry("1", orgA)
	want(t, first, retrigger.Returned, retrigger.Throttled)
	limited = false
	f.now = f.now.Add(20 * time.Second)
	held := retry("2", orgA)
	want(t, held, retrigger.Returned, retrigger.Throttled)
	if first.RetryAfter != time.Minute || held.RetryAfter != 40*time.Second {
		t.Errorf("waits are %s and %s, want 1m and 40s", first.RetryAfter, held.RetryAfter)
	}
	want(t, retry("3", orgB), retrigger.Retriggered, "")
	if n := f.calls.Load(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	f.now = f.now.Add(40 * time.Second)
	want(t, retry("2", orgA), retrigger.Retriggered, "")
}

func TestConcurrentRequestsForOneRunAreOneCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, succeed)
	var wg sync.WaitGroup
	var first, duplicates, busy atomic.Int32
	for i := range 40 {
		wg.Go(func() {
			r := failed("run", "flow")
			if i%2 == 0 {
				r.OrgID, r.Sandbox = orgA, "default" // the same once resolved
			}
			switch result := f.service.Retry(t.Context(), r); {
			case result.Outcome == retrigger.Retriggered && result.NewRunID == "new" && result.Reason == retrigger.ReasonDuplicate:
				duplicates.Add(1)
			case result.Outcome == retrigger.Retriggered && result.NewRunID == "new":
				first.Add(1)
			case result.Outcome == retrigger.Returned && result.Reason == retrigger.InProgress:
				busy.Add(1)
			}
		})
	}
	wg.Wait()
	if f.calls.Load() != 1 || first.Load() != 1 || duplicates.Load()+busy.Load() != 39 {
		t.Errorf("%d calls, %d retriggered, %d duplicates, %d returned", f.calls.Load(), first.Load(), duplicates.Load(), busy.Load())
	}
}

func TestNothingIsSentWithoutTimeForIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, succeed)
	ctx, cancel := context.WithDeadline(t.Context(), f.now.Add(14*time.Second)) // a call takes up to 10 s, settling 5 s
	defer cancel()
	if f.service.TimeFor(ctx) {
		t.Error("TimeFor() = true with 14 s left")
	}
	want(t, f.service.Retry(ctx, failed("run", "flow")), retrigger.Returned, retrigger.Deadline)
	if n := f.calls.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
	if !f.service.TimeFor(t.Context()) {
		t.Error("TimeFor() = false without a deadline")
	}
}

func TestARefusedCredentialIsRenewedOnceForEachRefusal(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	result := f.service.Retry(t.Context(), failed("run", "flow"))
	want(t, result, retrigger.Returned, retrigger.CredentialsRefused)
	if !strings.Contains(result.Message, "HTTP 401") {
		t.Errorf("the message %q lacks Adobe's answer", result.Message)
	}
	if n := f.accounts.renewals.Load(); n != 2 {
		t.Errorf("%d renewals, want 2: one to try again, one to tell that it was refused, too", n)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		says   string
	}{
		"failed":      {status("failed"), "would be re-triggered"},
		"succeeded":   {status("success"), "would be skipped (run_succeeded)"},
		"running":     {status("inProgress"), "would be skipped (run_in_progress)"},
		"partly":      {status("partialSuccess"), "Flow Service, which decides"},
		"unavailable": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "would be returned (adobe_unavailable)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.answer)
			result := f.service.Retry(t.Context(), event.Request{RunID: "run", FlowID: "flow", DryRun: true})
			want(t, result, retrigger.Skipped, retrigger.DryRun)
			if !strings.Contains(result.Message, tt.says) || f.calls.Load() != 0 || len(f.letters.all) != 0 {
				t.Errorf("%q, %d calls, %d dead letters", result.Message, f.calls.Load(), len(f.letters.all))
			}
		})
	}
}

func status(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"items":[{"id":"run","metrics":{"statusSummary":{"status":%q}}}]}`, text)
	}
}

func TestARejectionIsExplainedByTheRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status  string
		outcome retrigger.Outcome
		reason  retrigger.Reason
	}{
		"it failed":    {"Failed", retrigger.DeadLettered, retrigger.Rejected},
		"it succeeded": {"SUCCESS", retrigger.Skipped, retrigger.RunSucceeded},
		"it runs":      {"IN_PROGRESS", retrigger.Skipped, retrigger.RunInProgress},
		"unknown":      {"odd", retrigger.DeadLettered, retrigger.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					w.WriteHeader(http.StatusConflict)
					return
				}
				status(tt.status)(w, r)
			})
			want(t, f.service.Retry(t.Context(), failed("run", "flow")), tt.outcome, tt.reason)
		})
	}
}

func TestADeadLetterThatCannotBeWrittenIsReturned(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	f.letters.fail = errors.New("no queue")
	want(t, f.service.Retry(t.Context(), failed("run", "flow")), retrigger.Returned, retrigger.DeadLetterQueueUnavailable)
	want(t, f.service.Refuse(t.Context(), []byte("x"), &event.Error{Reason: event.Unreadable, Message: "m"}), retrigger.Returned, retrigger.DeadLetterQueueUnavailable)
}
