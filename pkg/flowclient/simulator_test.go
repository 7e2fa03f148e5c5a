package flowclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	simOrg     = "SIM@AdobeOrg"
	simSecret  = "flowsim-test-secret"
	simFlow    = "flow"
	simSandbox = "prod"
)

// simulated is a client of the strict simulator, over real HTTP, which knows one
// failed run, "run".
func simulated(t *testing.T) (*flowclient.Client, *flowsim.Server) {
	t.Helper()
	sim := flowsim.New(flowsim.Options{})
	base, stop, err := sim.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	sim.AddOrg(flowsim.Org{ID: simOrg, ClientID: "client", Secrets: []string{simSecret}, Scopes: []string{"openid", "AdobeID"}, Sandboxes: []string{simSandbox, "dev"}})
	sim.AddFlow(flowsim.Flow{ID: simFlow, Name: "A flow", OrgID: simOrg, Sandbox: simSandbox})
	sim.AddRun(flowsim.Run{ID: "run", FlowID: simFlow, Status: flowsim.Failed, Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500", Message: "copy failed"}}})
	options := []flowclient.Option{
		flowclient.WithBaseURL(base + flowsim.FlowServicePath), flowclient.WithIMSURL(base),
		flowclient.WithBackoff(func(int) time.Duration { return time.Millisecond }),
	}
	tokens, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "client", ClientSecret: simSecret, Scopes: []string{"openid", "AdobeID"}}, options...)
	if err != nil {
		t.Fatal(err)
	}
	client, err := flowclient.New(simOrg, "client", tokens, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client, sim
}

func TestSimulatorReads(t *testing.T) {
	t.Parallel()
	client, sim := simulated(t)
	made, err := client.Retrigger(t.Context(), simSandbox, "run")
	if err != nil || made.ETag == "" {
		t.Fatal(made, err)
	}
	run, err := client.Run(t.Context(), simSandbox, made.RunID)
	if err != nil || !run.Status().Running() || run.FlowID != simFlow || run.CreatedClient != "client" || run.OrgID != simOrg {
		t.Errorf("Run() = %+v, %v", run, err)
	}
	sim.Script(simFlow, flowsim.Fail("CONNECTOR-2001-500", "processing failed"))
	sim.Settle()
	if run, err = client.Run(t.Context(), simSandbox, made.RunID); err != nil || !run.Status().Failed() || run.Errors()[0].Code != "CONNECTOR-2001-500" || run.CompletedAt().IsZero() {
		t.Errorf("Run() = %+v, %v", run, err)
	}
	flow, err := client.Flow(t.Context(), simSandbox, simFlow)
	if err != nil || flow.Name != "A flow" || !flow.Enabled() {
		t.Errorf("Flow() = %+v, %v", flow, err)
	}
	sim.AddFlow(flowsim.Flow{ID: "streams", OrgID: simOrg, Sandbox: simSandbox, Streaming: true})
	flows, err := client.Flows(t.Context(), simSandbox, "no-such-flow", "streams", simFlow)
	if err != nil || len(flows) != 2 || flows[0].ID != "streams" || flows[0].Batch() || flows[1].ID != simFlow || !flows[1].Batch() {
		t.Errorf("Flows() = %+v, %v", flows, err)
	}
}

func TestSimulatorPages(t *testing.T) {
	t.Parallel()
	client, sim := simulated(t)
	for i := range 249 {
		sim.AddRun(flowsim.Run{ID: fmt.Sprint("more-", i), FlowID: simFlow, Status: flowsim.Failed})
		sim.AddRun(flowsim.Run{ID: fmt.Sprint("good-", i), FlowID: simFlow, Status: flowsim.Success, Records: 1})
	}
	query := flowclient.RunQuery{
		Filters: []flowclient.Filter{flowclient.Where(flowclient.PropertyFlowID, "==", simFlow), flowclient.Where(flowclient.PropertyStatus, "==", "Failed")},
		OrderBy: "-createdAt", Limit: 40,
	}
	seen := map[string]bool{}
	for run, err := range client.Runs(t.Context(), simSandbox, query) {
		if err != nil {
			t.Fatal(err)
		}
		seen[run.ID] = true
		if len(seen) == 100 {
			sim.RevokeTokens(simOrg) // in the middle
		}
	}
	if len(seen) != 250 {
		t.Errorf("%d runs, want the 250 that failed", len(seen))
	}
	if n := sim.Count(flowsim.OpToken); n != 2 {
		t.Errorf("%d token requests, want one more after the revocation", n)
	}
	for page, err := range client.RunPages(t.Context(), simSandbox, query) {
		if err != nil {
			t.Fatal(err)
		}
		query.ContinuationToken = page.Next
		break
	}
	rest := 0
	for _, err := range client.Runs(t.Context(), simSandbox, query) {
		if err != nil {
			t.Fatal(err)
		}
		rest++
	}
	if rest != 210 {
		t.Errorf("%d runs after the first page, want 210", rest)
	}
}

func TestSimulatorRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare      func(*flowsim.Server)
		run, sandbox string
		kind         flowclient.Kind
		status       int
		code         string
		calls, made  int
	}{
		"unknown run":     {nil, "none", simSandbox, flowclient.KindNotFound, 404, "FLOW-1439-404", 1, 0},
		"other sandbox":   {nil, "run", "dev", flowclient.KindNotFound, 404, "FLOW-1439-404", 1, 0},
		"unknown sandbox": {nil, "run", "none", flowclient.KindNotFound, 404, "FLOW-2100-404", 1, 0},
		"a good run": {func(s *flowsim.Server) {
			s.AddRun(flowsim.Run{ID: "run", FlowID: simFlow, Status: flowsim.Success, Records: 1})
		}, "run", simSandbox, flowclient.KindRejected, 400, "FLOW-1437-400", 1, 0},
		"a downstream run": {func(s *flowsim.Server) {
			s.AddRun(flowsim.Run{ID: "run", FlowID: simFlow, Status: flowsim.Failed, Downstream: true})
		}, "run", simSandbox, flowclient.KindRejected, 400, "FLOW-1436-400", 1, 0},
		"a streaming flow": {func(s *flowsim.Server) {
			s.AddFlow(flowsim.Flow{ID: simFlow, OrgID: simOrg, Sandbox: simSandbox, Streaming: true})
		}, "run", simSandbox, flowclient.KindRejected, 400, "FLOW-1435-400", 1, 0},
		"rotated secret": {func(s *flowsim.Server) { s.RotateSecret(simOrg, "another") }, "run", simSandbox, flowclient.KindUnauthorized, 401, "invalid_client", 0, 0},
		"throttled": {
			fault(flowsim.Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: `{"error_code":"429050","message":"Too many requests"}`}),
			"run", simSandbox, flowclient.KindThrottled, 429, "429050", 1, 0,
		},
		"503 before": {fault(flowsim.Fault{Status: 503, Body: "<html>", ContentType: "text/html"}), "run", simSandbox, flowclient.KindUnknownOutcome, 503, "", 1, 0},
		"504 after":  {fault(flowsim.Fault{Status: 504, AfterEffect: true}), "run", simSandbox, flowclient.KindUnknownOutcome, 504, "", 1, 1},
		"reset":      {fault(flowsim.Fault{Reset: true, AfterEffect: true}), "run", simSandbox, flowclient.KindUnknownOutcome, 0, "", 1, 1},
		"cut":        {fault(flowsim.Fault{Truncate: true, AfterEffect: true, Body: `{"id":"`}), "run", simSandbox, flowclient.KindUnknownOutcome, 200, "", 1, 1},
		"no id":      {fault(flowsim.Fault{AfterEffect: true, Body: `{"etag":"x"}`}), "run", simSandbox, flowclient.KindUnknownOutcome, 200, "", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, sim := simulated(t)
			if tt.prepare != nil {
				tt.prepare(sim)
			}
			_, err := client.Retrigger(t.Context(), tt.sandbox, tt.run)
			failure, ok := errors.AsType[*flowclient.Error](err)
			if !ok || !errors.Is(err, tt.kind) || failure.Status != tt.status || failure.Code != tt.code {
				t.Fatalf("error = %+v, want %s, HTTP %d, code %q", err, tt.kind, tt.status, tt.code)
			}
			if failure.MayHaveTakenEffect() != (tt.kind == flowclient.KindUnknownOutcome) {
				t.Errorf("MayHaveTakenEffect() = %t", failure.MayHaveTakenEffect())
			}
			if calls, made := sim.Count(flowsim.OpRetrigger), sim.Retriggers(tt.run); calls != tt.calls || made != tt.made {
				t.Errorf("%d calls made %d runs, want %d and %d", calls, made, tt.calls, tt.made)
			}
			if tt.kind == flowclient.KindThrottled && failure.RetryAfter != 7*time.Second {
				t.Errorf("RetryAfter = %s", failure.RetryAfter)
			}
			for _, secret := range []string{flowsim.TokenPrefix, simSecret} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error contains a secret: %v", err)
				}
			}
		})
	}
}

func fault(f flowsim.Fault) func(*flowsim.Server) {
	f.Op = flowsim.OpRetrigger
	return func(s *flowsim.Server) { s.Inject(f) }
}

func TestSimulatorReadsAreRepeated(t *testing.T) {
	t.Parallel()
	client, sim := simulated(t)
	sim.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: http.StatusServiceUnavailable})
	sim.Inject(flowsim.Fault{Op: flowsim.OpRun, Reset: true})
	sim.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: http.StatusTooManyRequests})
	if _, err := client.Run(t.Context(), simSandbox, "run"); err != nil {
		t.Error(err)
	}
	if n := sim.Count(flowsim.OpRun); n != 4 {
		t.Errorf("%d calls, want 4", n)
	}
}

func TestSimulatorOneTokenForAll(t *testing.T) {
	t.Parallel()
	client, sim := simulated(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := client.Run(t.Context(), simSandbox, "run"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := sim.Count(flowsim.OpToken); n != 1 {
		t.Errorf("%d token requests for 50 calls at once, want 1", n)
	}
}
