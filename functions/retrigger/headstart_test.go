package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/headstart"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// fetches are the calls that a start makes so that the first request need not.
type fetches struct{ Secrets, Tokens, Pauses int }

// countedPauses counts the readings of the pauses' record.
type countedPauses struct {
	store.Table
	count *int
}

func (c countedPauses) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	for _, key := range keys {
		if key == throttle.RecordKey {
			*c.count++
		}
	}
	return c.Table.Read(ctx, keys...)
}

// headStart is a world whose processes have their head start.
type headStart struct {
	*world
	pauses int
	took   time.Duration // the last start
}

func withHeadStart(w *world) *headStart {
	h := &headStart{world: w}
	w.Config.SecretIDs = w.Config.SecretIDs[:1]
	w.Mutate = func(t store.Table) store.Table { return countedPauses{t, &h.pauses} }
	w.Wire = func(parts simulation.Parts) simulation.Handler {
		function, start := wire(parts.Config, parts.Amazon, parts.Store, newLedger(parts.Config, parts.Store), parts.Out, parts.Adobe...)
		began := time.Now()
		start.Run(context.Background())
		h.took = time.Since(began)
		return function
	}
	return h
}

// during returns the fetches that something takes.
func (h *headStart) during(do func()) fetches {
	count := func() fetches {
		return fetches{h.AWS.Count("GetSecretValue"), h.Adobe.Count(flowsim.OpToken), h.pauses}
	}
	before := count()
	do()
	after := count()
	return fetches{after.Secrets - before.Secrets, after.Tokens - before.Tokens, after.Pauses - before.Pauses}
}

// retried delivers the failure of a run to a process, which must retry it.
func (h *headStart) retried(p *process) {
	h.TB.Helper()
	id := h.Fail("f")
	h.Told(id)
	h.Poll(p)
	if n := h.Adobe.Retriggers(id); n != 1 {
		h.TB.Errorf("run %s was re-triggered %d times: %v", id, n, h.Logs.Ends(id))
	}
}

func wantFetches(t *testing.T, when string, got, want fetches) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// TestTheFirstRequestFindsWhatTheStartHasFetched: it fetches nothing itself. After a frozen
// hour what is old is fetched again, and after a day the token, too.
func TestTheFirstRequestFindsWhatTheStartHasFetched(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		h := withHeadStart(w)
		w.Config.SecretCacheTTL = 5 * time.Minute
		var p *process
		wantFetches(t, "the start", h.during(func() { p = w.Start(-1, false) }), fetches{1, 1, 1})
		wantFetches(t, "the first request", h.during(func() { h.retried(p) }), fetches{})
		pass(time.Hour) // for which Lambda freezes the process
		wantFetches(t, "after an hour", h.during(func() { h.retried(p) }), fetches{Secrets: 1, Pauses: 1})
		pass(24 * time.Hour)
		wantFetches(t, "after a day", h.during(func() { h.retried(p) }), fetches{1, 1, 1})
	})
}

// TestTheAgeOfWhatTheStartFetchedCountsFromThen: the first request may come an hour later.
func TestTheAgeOfWhatTheStartFetchedCountsFromThen(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		h := withHeadStart(w)
		w.Config.SecretCacheTTL = 5 * time.Minute
		p := w.Start(-1, false)
		pass(time.Hour)
		wantFetches(t, "the first request", h.during(func() { h.retried(p) }), fetches{Secrets: 1, Pauses: 1})
	})
}

// TestASecretThatIsRotatedAfterTheStartWorks: IMS ends the old token with the old secret.
func TestASecretThatIsRotatedAfterTheStartWorks(t *testing.T) {
	t.Parallel()
	inWorld(t, func(_ *testing.T, w *world) {
		h := withHeadStart(w)
		p := w.Start(-1, false)
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"new","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Adobe.RotateSecret(worldOrg, "new")
		w.Adobe.RevokeTokens(worldOrg)
		h.retried(p)
	})
}

// TestNoTokenIsFetchedForWhatIsNotSent: while the function observes, or is paused by its
// configuration, as a whole, or for the org.
func TestNoTokenIsFetchedForWhatIsNotSent(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		begin func(w *world)
		want  fetches
	}{
		"MODE is observe":              {func(w *world) { w.Config.Observe = true }, fetches{Secrets: 1, Pauses: 1}},
		"PAUSED is true":               {func(w *world) { w.Config.Paused = true }, fetches{Secrets: 1}},
		"everything is paused":         {func(w *world) { w.pausing("pause", "") }, fetches{Secrets: 1, Pauses: 1}},
		"the org is paused":            {func(w *world) { w.pausing("pause", `"orgId":"`+worldOrg+`"`) }, fetches{Secrets: 1, Pauses: 1}},
		"the pauses are not known":     {func(w *world) { w.Faults.Fail(1, 0) }, fetches{Secrets: 1, Pauses: 1}},
		"another org is paused":        {func(w *world) { w.pausing("pause", `"orgId":"`+worldOther+`"`) }, fetches{1, 1, 1}},
		"the secret can't be read":     {func(w *world) { w.AWS.Inject(awssim.Fault{Op: "GetSecretValue", Code: "AccessDeniedException"}) }, fetches{Secrets: 1, Pauses: 1}},
		"the pause was for a dataflow": {func(w *world) { w.pausing("pause", `"orgId":"`+worldOrg+`","flowId":"f"`) }, fetches{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				tt.begin(w)
				h := withHeadStart(w)
				wantFetches(t, "the start", h.during(func() { w.Start(-1, false) }), tt.want)
			})
		})
	}
}

// TestACredentialThatIsRefusedAtTheStartIsLoggedOnce: the function starts, and the first
// request waits for the credential as any other.
func TestACredentialThatIsRefusedAtTheStartIsLoggedOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		withHeadStart(w)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 99, Status: http.StatusBadRequest, Body: `{"error":"invalid_client","error_description":"invalid client_secret parameter"}`})
		p := w.Start(-1, false)
		var told []string
		for _, r := range w.Logs.All() {
			if strings.Contains(r.Message, "the start could not") {
				told = append(told, r.Message)
			}
		}
		if len(told) != 1 || !strings.Contains(told[0], "fetch a token") {
			t.Errorf("the log says %q", told)
		}
		id := w.Fail("f")
		w.Told(id)
		w.Poll(p)
		if ends := w.Logs.Outcomes(); len(ends) != 1 || ends[0].Reason != "credentials_refused" {
			t.Errorf("the run is %+v", ends)
		}
	})
}

// TestASecretsManagerThatHangsCostsTheStartTwoSeconds: and the first request asks it again.
func TestASecretsManagerThatHangsCostsTheStartTwoSeconds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		h := withHeadStart(w)
		w.AWS.Inject(awssim.Fault{Op: "GetSecretValue", Hang: true})
		p := w.Start(-1, false)
		if h.took != headstart.Limit {
			t.Errorf("the start took %s, want %s", h.took, headstart.Limit)
		}
		h.retried(p)
	})
}

// TestTheFirstReTriggerGoesOverTheConnectionThatTheStartHasOpened: with TLS, and nothing was
// sent over it before.
func TestTheFirstReTriggerGoesOverTheConnectionThatTheStartHasOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, 0)
	w.Flow("f", worldOrg)
	h := withHeadStart(w)
	var opened, used atomic.Value // the client's address
	flow := httptest.NewUnstartedServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		used.CompareAndSwap(nil, r.RemoteAddr)
		w.Adobe.ServeHTTP(answer, r)
	}))
	flow.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.CompareAndSwap(nil, c.RemoteAddr().String())
		}
	}
	flow.StartTLS()
	t.Cleanup(flow.Close)
	ims := httptest.NewTLSServer(w.Adobe)
	t.Cleanup(ims.Close)
	w.Config.FlowServiceURL, w.Config.IMSURL = flow.URL+flowsim.FlowServicePath, ims.URL
	begin := w.Wire
	w.Wire = func(parts simulation.Parts) simulation.Handler {
		parts.Adobe = append(parts.Adobe, flowclient.WithHTTPClient(flow.Client()))
		return begin(parts)
	}
	p := w.Start(-1, false)
	if opened.Load() == nil || used.Load() != nil {
		t.Errorf("the start opened the connection %v, and sent a request over %v", opened.Load(), used.Load())
	}
	h.retried(p)
	if opened.Load() != used.Load() {
		t.Errorf("the start opened the connection %v, the first re-trigger went over %v", opened.Load(), used.Load())
	}
}
