package flowclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestAllDataflowsOfASandboxAreListedPageByPage(t *testing.T) {
	t.Parallel()
	client, sim := simulated(t)
	for i := range 149 {
		sim.AddFlow(flowsim.Flow{ID: fmt.Sprintf("more-%03d", i), Name: "A flow", OrgID: simOrg, Sandbox: simSandbox})
	}
	sim.AddFlow(flowsim.Flow{ID: "elsewhere", OrgID: simOrg, Sandbox: "dev"})
	seen, token := map[string]bool{}, ""
	for pages := 1; ; pages++ {
		page, err := client.FlowPage(t.Context(), simSandbox, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Flows {
			seen[f.ID] = true
		}
		if token = page.Next; token == "" {
			if pages != 2 || len(seen) != 150 || seen["elsewhere"] {
				t.Errorf("%d dataflows on %d pages, elsewhere: %t", len(seen), pages, seen["elsewhere"])
			}
			break
		}
	}
	if _, err := client.FlowPage(t.Context(), simSandbox, "no-such-token"); !errors.Is(err, flowclient.KindRejected) {
		t.Errorf("with a token that is none: %v", err)
	}
}

func TestASourceThatDoesNotAcceptItsCredentialSaysWhy(t *testing.T) {
	t.Parallel()
	client, sim := simulated(t)
	sim.AddFlow(flowsim.Flow{ID: "expired", OrgID: simOrg, Sandbox: simSandbox, Refuses: "the password has expired"})
	sim.AddFlow(flowsim.Flow{ID: "stream", OrgID: simOrg, Sandbox: simSandbox, Streaming: true})
	base := func(flowID string) string {
		t.Helper()
		flow, err := client.Flow(t.Context(), simSandbox, flowID)
		if err != nil || len(flow.SourceConnections) != 1 {
			t.Fatalf("%+v, %v", flow, err)
		}
		source, err := client.SourceConnection(t.Context(), simSandbox, flow.SourceConnections[0])
		if err != nil || source.ID != flow.SourceConnections[0] {
			t.Fatalf("%+v, %v", source, err)
		}
		return source.BaseConnectionID
	}
	if err := client.TestConnection(t.Context(), simSandbox, base(simFlow)); err != nil {
		t.Error(err)
	}
	if err := client.TestConnection(t.Context(), simSandbox, base("expired")); !errors.Is(err, flowclient.KindRejected) || !strings.Contains(err.Error(), "the password has expired") {
		t.Errorf("the error is %v", err)
	}
	if id := base("stream"); id != "" {
		t.Errorf("a streaming source has connection %s", id)
	}
	for _, id := range []string{"", "a/b", "no-such-connection"} {
		if err := client.TestConnection(t.Context(), simSandbox, id); err == nil {
			t.Errorf("connection %q is accepted", id)
		}
		if _, err := client.SourceConnection(t.Context(), simSandbox, id); err == nil {
			t.Errorf("source connection %q is there", id)
		}
	}
}

// TestTheAnswerToAConnectionTestIsReadInWhateverForm: Adobe shows one form, for a connection
// that works.
func TestTheAnswerToAConnectionTestIsReadInWhateverForm(t *testing.T) {
	t.Parallel()
	for body, refused := range map[string]string{
		`{"state":"success"}`: "", `{"status":"SUCCESS"}`: "", `{"status":200}`: "", `{}`: "", `ok`: "", ``: "", `{"items":[{"state":"success"}]}`: "",
		`{"state":"failed","message":"no route to host"}`:      "no route to host",
		`{"items":[{"state":"error","message":"bad login"}]}`:  "bad login",
		`{"status":"failure","errorMessage":"access denied"}`:  "access denied",
		`{"state":"failed","message":"secret ` + secret + `"}`: "failed",
	} {
		client := newClient(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		err := client.TestConnection(t.Context(), sandbox, "base")
		_, is := errors.AsType[*flowclient.SourceRefusedError](err)
		if is != (refused != "") || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("%s: %v, want %q", body, err, refused)
		}
	}
}
