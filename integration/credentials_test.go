package integration

import (
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func TestRefusedCredentialRaisesAnAlarmAndMakesFewCalls(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	ids := failedRuns(s, 10)
	s.Adobe.RotateSecret(stack.OrgID, "another")
	var bodies []string
	for _, id := range ids {
		bodies = append(bodies, request(id))
	}
	if _, deleted := deliver(t, s, bodies...); deleted != 0 {
		t.Errorf("%d messages were deleted", deleted)
	}
	wantOutcomes(t, s, map[string]int{"returned credentials_refused": 10})
	if n := s.Adobe.Count(flowsim.OpToken); n > 5 { // at most one for each run that was under way
		t.Errorf("%d token requests for 10 runs", n)
	}
	if n := s.AWS.Count("GetSecretValue"); n > 2 {
		t.Errorf("the secret was fetched %d times", n)
	}
	if !strings.Contains(s.Log.String(), `"credentials_refused":10`) || !strings.Contains(s.Log.String(), stack.SecretID) {
		t.Error("neither metric nor log name the refused secret")
	}
	if letters := deadLetters(t, s); len(letters) != 0 {
		t.Errorf("%d dead letters, want none", len(letters))
	}
}

func TestLogNamesTheBrokenSecret(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	if err := s.PutSecretText(t.Context(), `{"client_id":"a","client_secret":"`+stack.ClientSecret+`","org_id":"x"}`); err != nil {
		t.Fatal(err)
	}
	if _, deleted := deliver(t, s, request("run-0")); deleted != 0 {
		t.Error("the message was deleted")
	}
	for _, want := range []string{"credentials_unavailable", stack.SecretID, "scopes is missing", "org_id must end in"} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestEachOrgIsServedByItsOwnSecret(t *testing.T) {
	t.Parallel()
	const orgB, secretB = "BBBBBBBBBBBBBBBB@AdobeOrg", "aep/b"
	s := embedded(t, env("SECRET_ID="+stack.SecretID+","+secretB))
	s.AWS.PutSecret(secretB, `{"client_id":"client-b","client_secret":"`+stack.ClientSecret+`-b","org_id":"`+orgB+`","scopes":["openid"],"sandbox":"b"}`)
	s.Adobe.AddOrg(flowsim.Org{ID: orgB, ClientID: "client-b", Secrets: []string{stack.ClientSecret + "-b"}, Scopes: []string{"openid"}, Sandboxes: []string{"b"}})
	s.AddFailedRun("run-a", "flow-a", stack.OrgID, stack.Sandbox)
	s.AddFailedRun("run-b", "flow-b", orgB, "b")
	// The simulator refuses a token of one org for the other.
	deliver(t, s, string(s.Adobe.FailureEvent("run-a")), string(s.Adobe.FailureEvent("run-b")), request("run-a"))
	wantOutcomes(t, s, map[string]int{"retriggered": 2, "dead_lettered org_missing": 1})
	if s.Adobe.Retriggers("run-a") != 1 || s.Adobe.Retriggers("run-b") != 1 {
		t.Error("a run was not re-triggered once")
	}
}

func TestRequestWithoutSandboxIsRefused(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	err := s.PutSecret(t.Context(), stack.Credential{ClientID: stack.ClientID, ClientSecret: stack.ClientSecret, OrgID: stack.OrgID, Scopes: stack.Scopes})
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, s, request("run-0"), `{"runId":"run-0","sandbox":"prod"}`)
	wantOutcomes(t, s, map[string]int{"dead_lettered sandbox_missing": 1, "retriggered": 1})
}

// TestEnvironmentVariablesSelectARealOrg: A second simulator stands for the real org. The
// stack knows only its address and credential.
func TestEnvironmentVariablesSelectARealOrg(t *testing.T) {
	other := flowsim.New(flowsim.Options{})
	base, stop, err := other.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	other.AddOrg(flowsim.Org{ID: "REAL@AdobeOrg", ClientID: "real", Secrets: []string{stack.ClientSecret}, Scopes: []string{"openid"}, Sandboxes: []string{"dev"}})
	other.AddFlow(flowsim.Flow{ID: flow, OrgID: "REAL@AdobeOrg", Sandbox: "dev"})
	other.AddRun(flowsim.Run{ID: "run-0", FlowID: flow, Status: flowsim.Failed})
	t.Setenv("FLOW_SERVICE_URL", base+flowsim.FlowServicePath)
	t.Setenv("IMS_URL", base)

	variables := map[string]string{"AEP_CLIENT_ID": "real", "AEP_CLIENT_SECRET": stack.ClientSecret, "AEP_ORG_ID": "REAL@AdobeOrg", "AEP_SCOPES": "openid"}
	getenv := func(name string) string { return variables[name] }
	if _, err := stack.CredentialFromEnv(getenv); err == nil {
		t.Error("a credential without AEP_SANDBOX was accepted")
	}
	variables["AEP_SANDBOX"] = "dev"
	credential, err := stack.CredentialFromEnv(getenv)
	if err != nil {
		t.Fatal(err)
	}
	s := embedded(t, func(o *stack.Options) { o.Credential = credential })
	deliver(t, s, request("run-0"))
	if n := other.Retriggers("run-0"); n != 1 || s.Adobe != nil {
		t.Errorf("the run was re-triggered %d times, want once", n)
	}
}

func TestFunctionReportsEveryMistakeOfItsConfiguration(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("SECRET_ID=", "LOG_LEVEL=loud", "FLOW_SERVICE_URL=http://platform.adobe.io", `RETRY_POLICY=[{"cod":"X","action":"retry"},{"action":"drop"}]`))
	answer, err := s.Function.Invoke(t.Context(), []byte(request("x")))
	if err != nil || answer.FunctionError == "" {
		t.Fatalf("Invoke() = %+v, %v; want a failure", answer, err)
	}
	for _, want := range []string{"SECRET_ID is required", "LOG_LEVEL is", "FLOW_SERVICE_URL is not https", "RETRY_POLICY rule 1: unknown field", "RETRY_POLICY rule 2: action is"} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}
