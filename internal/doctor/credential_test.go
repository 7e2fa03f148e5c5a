package doctor_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/doctor"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

const (
	org    = "1234567890ABCDEF@AdobeOrg"
	secret = "s3cret-value"
)

// adobe is a simulated Adobe with one org, which has the sandbox prod.
func adobe(t *testing.T) (*flowsim.Server, doctor.Adobe) {
	t.Helper()
	server := flowsim.New(flowsim.Options{})
	base, stop, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	server.AddOrg(flowsim.Org{ID: org, ClientID: "client", Secrets: []string{secret}, Scopes: []string{"openid", "AdobeID"}, Sandboxes: []string{"prod"}})
	return server, doctor.Adobe{FlowServiceURL: base + flowsim.FlowServicePath, IMSURL: base, UserAgent: "doctor-test"}
}

// file writes a secret as a person has it before the deployment.
func file(t *testing.T, change func(map[string]string)) doctor.File {
	t.Helper()
	value := map[string]string{"client_id": "client", "client_secret": secret, "org_id": org, "scopes": "openid,AdobeID", "sandbox": "prod"}
	if change != nil {
		change(value)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return doctor.File(path)
}

// look returns the checks of a file as lines "verdict subject: detail → fix", without the secret.
func look(t *testing.T, f doctor.File, a doctor.Adobe) string {
	t.Helper()
	var lines []string
	for _, c := range doctor.Credentials(t.Context(), f, []string{string(f)}, a) {
		lines = append(lines, string(c.Verdict)+" "+c.Subject+": "+c.Detail+" → "+c.Fix)
	}
	text := strings.Join(lines, "\n")
	for _, hidden := range []string{secret, flowsim.TokenPrefix} {
		if strings.Contains(text, hidden) {
			t.Errorf("the checks have a secret or a token: %s", text)
		}
	}
	return text
}

func want(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

func TestGoodCredentialIsTriedAtIMSAndInItsSandbox(t *testing.T) {
	t.Parallel()
	server, a := adobe(t)
	got := look(t, file(t, nil), a)
	want(t, got, "good secret ", "the credential client of org "+org, "good token of "+org, "good sandbox prod of "+org+": its runs can be listed; it has none")
	if server.Count(flowsim.OpRetrigger) != 0 || server.Count(flowsim.OpRuns) != 1 {
		t.Errorf("calls: %+v; doctor re-triggers nothing and lists once", server.Calls())
	}
}

func TestEachFaultOfACredentialSaysWhatToMend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(map[string]string)
		fault  *flowsim.Fault
		want   []string
	}{
		{"a wrong client secret", func(v map[string]string) { v["client_secret"] = "wrong" }, nil, []string{"finding token of " + org, "invalid_client", " → "}},
		{"a scope that it does not have", func(v map[string]string) { v["scopes"] = "openid,other" }, nil, []string{"finding token of " + org, "invalid_scope"}},
		{"a sandbox that is not there", func(v map[string]string) { v["sandbox"] = "nowhere" }, nil, []string{"good token", "finding sandbox nowhere of " + org}},
		{"no sandbox at all", func(v map[string]string) { delete(v, "sandbox") }, nil, []string{"finding sandboxes of " + org, `Put "sandbox" into the secret`}},
		{"no client id", func(v map[string]string) { delete(v, "client_id") }, nil, []string{"finding secret ", "docs/deploy.md"}},
		{
			"no permission", nil,
			&flowsim.Fault{Op: flowsim.OpRuns, Times: 9, Status: http.StatusForbidden, Body: `{"error_code":"403003","message":"Api Key is invalid"}`},
			[]string{"finding sandbox prod of " + org, "403003"},
		},
		{
			"Adobe down", nil,
			&flowsim.Fault{Op: flowsim.OpRuns, Times: 99, Status: http.StatusServiceUnavailable},
			[]string{"unknown sandbox prod of " + org, "try again"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, a := adobe(t)
			if test.fault != nil {
				server.Inject(*test.fault)
			}
			want(t, look(t, file(t, test.change), a), test.want...)
		})
	}
}

func TestUnreachableAdobeIsNoFindingAboutTheCredential(t *testing.T) {
	t.Parallel()
	got := look(t, file(t, nil), doctor.Adobe{FlowServiceURL: "http://127.0.0.1:1", IMSURL: "http://127.0.0.1:1"})
	want(t, got, "unknown token of "+org+": Adobe can't be reached")
}

func TestFileThatIsTooLongForASecretIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	_, a := adobe(t)
	got := look(t, "/dev/zero", a) // it has no end
	want(t, got, "unknown secret /dev/zero: ", "more than the 65536 bytes", "whether you may read it.")
	if strings.Contains(got, "secretsmanager:") {
		t.Errorf("a file needs no permission of AWS: %s", got)
	}
}
