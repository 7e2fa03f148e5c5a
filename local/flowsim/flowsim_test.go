package flowsim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

const org = "SIM@AdobeOrg"

// world is a simulator with an org, a batch flow and a failed run.
type world struct {
	sim  *flowsim.Server
	base string
}

func newWorld(t *testing.T) world {
	t.Helper()
	sim := flowsim.New(flowsim.Options{})
	base, stop, err := sim.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	sim.AddOrg(flowsim.Org{ID: org, ClientID: "client", Secrets: []string{"s1", "s2"}, Scopes: []string{"openid", "AdobeID"}, Sandboxes: []string{"prod", "dev"}})
	sim.AddFlow(flowsim.Flow{ID: "flow", Name: "A flow", OrgID: org, Sandbox: "prod"})
	sim.AddRun(flowsim.Run{ID: "run", FlowID: "flow", Status: flowsim.Failed, Errors: []flowsim.RunError{{Code: "C", Message: "m"}}})
	sim.AddRun(flowsim.Run{ID: "empty", FlowID: "flow", Status: flowsim.Success})
	return world{sim, base}
}

// do sends a request and returns the status and the code in whichever error
// family the answer is of.
func (w world) do(t *testing.T, method, path, body string, header map[string]string) (status int, code string, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	out, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, name := range []string{"error_code", "error"} {
		if code, ok := answer[name].(string); ok {
			return out.StatusCode, code, answer
		}
	}
	if kind, ok := answer["type"].(string); ok {
		code = kind[strings.LastIndex(kind, "/")+1:]
	}
	return out.StatusCode, code, answer
}

func form(secret string) string {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {secret}, "scope": {"openid,AdobeID"}}.Encode()
}

const formType = "application/x-www-form-urlencoded"

func (w world) token(t *testing.T) string {
	t.Helper()
	status, _, answer := w.do(t, http.MethodPost, flowsim.IMSPath, form("s1"), map[string]string{"Content-Type": formType})
	token, ok := answer["access_token"].(string)
	if status != http.StatusOK || !ok || !strings.HasPrefix(token, flowsim.TokenPrefix) {
		t.Fatalf("token: %d %v", status, answer)
	}
	return token
}

// headers are those of a good call.
func (w world) headers(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"Authorization": "Bearer " + w.token(t), "X-Api-Key": "client", "X-Gw-Ims-Org-Id": org, "X-Sandbox-Name": "prod", "Content-Type": "application/json",
	}
}

func TestTokenRules(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, query, body, kind, want string
	}{
		"second secret":     {http.MethodPost, "", form("s2"), formType, "200 "},
		"method":            {http.MethodGet, "", "", "", "405 invalid_request"},
		"query":             {http.MethodPost, "?client_secret=s1", form("s1"), formType, "400 invalid_request"},
		"content type":      {http.MethodPost, "", form("s1"), "application/json", "400 invalid_request"},
		"grant":             {http.MethodPost, "", strings.Replace(form("s1"), "client_credentials", "password", 1), formType, "400 unsupported_grant_type"},
		"client":            {http.MethodPost, "", strings.Replace(form("s1"), "client_id=client", "client_id=other", 1), formType, "400 invalid_client"},
		"secret":            {http.MethodPost, "", form("wrong"), formType, "401 invalid_client"},
		"scopes by spaces":  {http.MethodPost, "", strings.Replace(form("s1"), "openid%2CAdobeID", "openid+AdobeID", 1), formType, "400 invalid_scope"},
		"scope not allowed": {http.MethodPost, "", strings.Replace(form("s1"), "AdobeID", "other", 1), formType, "400 invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, code, _ := newWorld(t).do(t, tt.method, flowsim.IMSPath+tt.query, tt.body, map[string]string{"Content-Type": tt.kind})
			if got := fmt.Sprint(status, " ", code); got != tt.want {
				t.Errorf("answer = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFlowServiceRules(t *testing.T) {
	t.Parallel()
	const action = "/runs/run/action?op=re-trigger"
	for name, tt := range map[string]struct {
		method, path, body string
		change             map[string]string // of the headers; "-" removes
		want               string
	}{
		"retrigger":              {http.MethodPost, action, "", nil, "200 "},
		"a run without records":  {http.MethodPost, "/runs/empty/action?op=re-trigger", "", nil, "200 "},
		"no token":               {http.MethodPost, action, "", map[string]string{"Authorization": "-"}, "403 403010"},
		"bad token":              {http.MethodPost, action, "", map[string]string{"Authorization": "Bearer x"}, "401 401013"},
		"api key":                {http.MethodPost, action, "", map[string]string{"X-Api-Key": "other"}, "403 403003"},
		"no org":                 {http.MethodPost, action, "", map[string]string{"X-Gw-Ims-Org-Id": "-"}, "400 400003"},
		"foreign org":            {http.MethodPost, action, "", map[string]string{"X-Gw-Ims-Org-Id": "B@AdobeOrg"}, "403 403025"},
		"no sandbox":             {http.MethodPost, action, "", map[string]string{"X-Sandbox-Name": "-"}, "400 FLOW-2105-400"},
		"unknown sandbox":        {http.MethodPost, action, "", map[string]string{"X-Sandbox-Name": "x"}, "404 FLOW-2100-404"},
		"run of another sandbox": {http.MethodPost, action, "", map[string]string{"X-Sandbox-Name": "dev"}, "404 FLOW-1439-404"},
		"content type":           {http.MethodPost, action, "", map[string]string{"Content-Type": "-"}, "415 FLOW-1401-415"},
		"method":                 {http.MethodGet, action, "", nil, "405 405000"},
		"no op":                  {http.MethodPost, "/runs/run/action", "", nil, "400 FLOW-1434-400"},
		"other op":               {http.MethodPost, "/runs/run/action?op=delete", "", nil, "400 FLOW-1434-400"},
		"unknown parameter":      {http.MethodPost, action + "&force=1", "", nil, "400 FLOW-1401-400"},
		"body":                   {http.MethodPost, action, "{}", nil, "400 FLOW-1401-400"},
		"unknown path":           {http.MethodGet, "/nothing", "", nil, "404 404000"},
		"unknown run":            {http.MethodGet, "/runs/none", "", nil, "404 FLOW-1439-404"},
		"unknown flow":           {http.MethodGet, "/flows/none", "", nil, "404 FLOW-1439-404"},
		"list":                   {http.MethodGet, "/runs?property=flowId==flow&limit=100&orderby=-createdAt", "", nil, "200 "},
		"list, any of several":   {http.MethodGet, "/runs?property=metrics.statusSummary.status==Failed,Success", "", nil, "200 "},
		"list, count and limit":  {http.MethodGet, "/runs?count=true&limit=1", "", nil, "400 FLOW-1401-400"},
		"list, limit":            {http.MethodGet, "/runs?limit=101", "", nil, "400 FLOW-1401-400"},
		"list, orderby":          {http.MethodGet, "/runs?orderby=name", "", nil, "400 FLOW-1401-400"},
		"list, property":         {http.MethodGet, "/runs?property=color==red", "", nil, "400 FLOW-1401-400"},
		"list, operator":         {http.MethodGet, "/runs?property=" + url.QueryEscape("flowId<flow"), "", nil, "400 FLOW-1401-400"},
		"list, time":             {http.MethodGet, "/runs?property=" + url.QueryEscape("createdAt>yesterday"), "", nil, "400 FLOW-1401-400"},
		"list, stale token":      {http.MethodGet, "/runs?continuationToken=gone", "", nil, "400 FLOW-1401-400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			header := map[string]string{
				"Authorization": "Bearer " + w.token(t), "X-Api-Key": "client", "X-Gw-Ims-Org-Id": org, "X-Sandbox-Name": "prod", "Content-Type": "application/json",
			}
			for name, value := range tt.change {
				header[name] = strings.TrimPrefix(value, "-")
			}
			status, code, _ := w.do(t, tt.method, flowsim.FlowServicePath+tt.path, tt.body, header)
			if got := fmt.Sprint(status, " ", code); got != tt.want {
				t.Errorf("answer = %s, want %s", got, tt.want)
			}
			made := 0
			for _, r := range w.sim.Runs() {
				if r.Of != "" {
					made++
				}
			}
			if tt.method == http.MethodPost && made != map[bool]int{true: 1}[status == http.StatusOK] {
				t.Errorf("%d runs were made by an answer of %d", made, status)
			}
			if strings.Contains(fmt.Sprintf("%+v", w.sim.Calls()), flowsim.TokenPrefix) {
				t.Error("the calls keep a token")
			}
		})
	}
}

// TestSecondRetriggerMakesAnotherRun: This is the danger that the function must prevent.
func TestSecondRetriggerMakesAnotherRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	header := map[string]string{
		"Authorization": "Bearer " + w.token(t), "X-Api-Key": "client", "X-Gw-Ims-Org-Id": org, "X-Sandbox-Name": "prod", "Content-Type": "application/json",
	}
	ids := map[any]bool{}
	for range 2 {
		_, _, answer := w.do(t, http.MethodPost, flowsim.FlowServicePath+"/runs/run/action?op=re-trigger", "", header)
		ids[answer["id"]] = true
	}
	if len(ids) != 2 || w.sim.Retriggers("run") != 2 {
		t.Errorf("runs made: %v, counted %d", ids, w.sim.Retriggers("run"))
	}
	w.sim.Script("flow", flowsim.Fail("CONNECTOR-1001-500", "again"))
	ended := w.sim.Settle()
	if len(ended) != 2 || ended[0].Status != flowsim.Failed || ended[1].Status != flowsim.Success {
		t.Errorf("settled: %+v", ended)
	}
	decoded, err := event.Decode(w.sim.FailureEvent(ended[0].ID))
	if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
		t.Fatalf("the failure event reads as %+v, %v", decoded, err)
	}
	r := decoded.Items[0].Request
	if r.RunID != ended[0].ID || r.OrgID != org || r.Sandbox != "prod" || r.Errors[0].Code != "CONNECTOR-1001-500" || r.CreatedClient != "client" {
		t.Errorf("request = %+v", r)
	}
}

// TestSimulatorRefusesSpellingsOfOpThatItWasNotGiven: The simulator takes the tutorial's
// spelling unless it was given others. It refuses any other spelling before it looks at
// the run.
func TestSimulatorRefusesSpellingsOfOpThatItWasNotGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	retrigger := func(run, op string) string {
		status, code, _ := w.do(t, http.MethodPost, flowsim.FlowServicePath+"/runs/"+run+"/action?op="+op, "", w.headers(t))
		return fmt.Sprint(status, " ", code)
	}
	for _, test := range []struct {
		accept  []string
		run, op string
		want    string
	}{
		{nil, "run", "RE_TRIGGER", "400 FLOW-1434-400"},
		{nil, "none", "RE_TRIGGER", "400 FLOW-1434-400"},
		{nil, "run", "re-trigger", "200 "},
		{[]string{"RE_TRIGGER"}, "run", "re-trigger", "400 FLOW-1434-400"},
		{[]string{"RE_TRIGGER"}, "run", "RE_TRIGGER", "200 "},
		{[]string{"RE_TRIGGER", "re-trigger"}, "run", "re-trigger", "200 "},
	} {
		if test.accept != nil {
			w.sim.Accept(test.accept...)
		}
		if got := retrigger(test.run, test.op); got != test.want {
			t.Errorf("%v, %s with op=%s: got %s, want %s", test.accept, test.run, test.op, got, test.want)
		}
	}
	calls := w.sim.Calls()
	if last := calls[len(calls)-1]; last.Spelling != "re-trigger" {
		t.Errorf("the last call is %+v", last)
	}
}

func TestChangedDocumentShowsInEveryAnswerAndInTheEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sim.AddRun(flowsim.Run{ID: "odd", FlowID: "flow", Status: flowsim.Failed, Document: func(d map[string]any) { d["createdAt"] = 1795413600 }})
	get := func(path string) map[string]any {
		_, _, answer := w.do(t, http.MethodGet, flowsim.FlowServicePath+path, "", w.headers(t))
		items, _ := answer["items"].([]any)
		odd, _ := items[len(items)-1].(map[string]any)
		return odd
	}
	var event map[string]any
	if err := json.Unmarshal(w.sim.FailureEvent("odd"), &event); err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]map[string]any{"run": get("/runs/odd"), "list": get("/runs?limit=100"), "event": event} {
		if document["id"] != "odd" || document["createdAt"] != 1795413600.0 {
			t.Errorf("%s: got %v", name, document)
		}
	}
}
