package notice_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/local/golden"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const out = "../../events/out/"

// samples are the notices of events/out, by the names of their files.
func samples() map[string]notice.Notice {
	const org, flow = "1234567890ABCDEF@AdobeOrg", "a5d1c2f7-6f0d-4e55-b0c3-3c0e8f2c7d11"
	first := time.Date(2026, 11, 26, 6, 5, 11, 0, time.UTC)
	base := notice.Notice{
		At: time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC), OrgID: org, Sandbox: "prod", FlowID: flow, FlowName: "Loyalty members hourly",
		Root: "0c4f2f56-8d7e-4d0b-9f43-6e1d9b0a5c21", RunID: "7be0a9c4-52f1-4c39-8d10-9f1e2a6b3d84", Attempts: 3, FirstFailure: first, Count: 3,
		Window: flowclient.Window{Start: first.Add(-65 * time.Minute).Truncate(time.Hour), End: first.Truncate(time.Hour)},
		Code:   "CONNECTOR-1001-500", Text: "The source refuses the login.",
	}
	of := func(kind notice.Kind, change func(*notice.Notice)) notice.Notice {
		n := base
		n.Kind, n.ID = kind, notice.ID(kind, org, flow, first.Format(time.RFC3339))
		change(&n)
		return n
	}
	return map[string]notice.Notice{
		"dataflow-failing": of(notice.Failing, func(n *notice.Notice) {
			n.Cause, n.NextStep, n.DaysLeft = "The breaker is open after 3 runs in a row", "Mend the login of the source's account in AEP.", new(29)
		}),
		"dataflow-recovered": of(notice.Recovered, func(n *notice.Notice) {
			n.At, n.Count, n.Code, n.Text = first.Add(40*time.Hour), 40, "", ""
		}),
		"run-given-up": of(notice.GivenUp, func(n *notice.Notice) {
			n.Count, n.Cause = 1, "It has had its attempts"
		}),
		"credential-refused": {
			Kind: notice.CredentialRefused, ID: notice.ID(notice.CredentialRefused, org, "2026-11-26"), At: base.At, OrgID: org,
			Code: "invalid_client", Text: "invalid client_secret parameter", Cause: "IMS refused the credential",
			NextStep: "The credential is in the secret aep/ims. Put a client secret of the credential in the secret; Adobe Developer Console shows them. The requests go on by themselves.",
		},
	}
}

// envelope is the event as a rule's target gets it.
func envelope(t *testing.T, n notice.Notice) []byte {
	t.Helper()
	b := &bridge{}
	to, _ := bus(b)
	if err := to.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	e := b.calls[0][0]
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(struct {
		Version    string          `json:"version"`
		ID         string          `json:"id"`
		DetailType string          `json:"detail-type"`
		Source     string          `json:"source"`
		Account    string          `json:"account"`
		Time       string          `json:"time"`
		Region     string          `json:"region"`
		Resources  []string        `json:"resources"`
		Detail     json.RawMessage `json:"detail"`
	}{
		"0", "c7d1a5a4-3c3b-4ab7-9a86-0f4d1b3c9f10", *e.DetailType, *e.Source, "123456789012", e.Time.Format(time.RFC3339), "us-east-1", []string{}, json.RawMessage(*e.Detail),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// schema compiles the schema of a file of events/out.
func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(out + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parsed(t *testing.T, text []byte) map[string]any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	object, _ := value.(map[string]any)
	return object
}

// TestNoticesEqualTheSamplesAndFitTheirSchemas: `go test ./internal/notice -update` writes
// the samples.
func TestNoticesEqualTheSamplesAndFitTheirSchemas(t *testing.T) {
	t.Parallel()
	for name, n := range samples() {
		got := envelope(t, n)
		golden.Check(t, out+name+".json", string(got))
		for other := range samples() {
			if err := schema(t, other).Validate(parsed(t, got)); (err == nil) != (other == name) {
				t.Errorf("the sample %s and the schema %s: %v", name, other, err)
			}
		}
	}
}

// TestANoticeWithTheLeastAndTheMostInItFitsItsSchema: What the caller does not know is
// left out, and whatever is long is cut.
func TestANoticeWithTheLeastAndTheMostInItFitsItsSchema(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ż<\x01", 3000)
	for name, full := range samples() {
		least := notice.Notice{Kind: full.Kind, ID: full.ID, OrgID: full.OrgID, FlowID: full.FlowID, RunID: full.RunID}
		most := full
		most.OrgID, most.Text, most.Code, most.Cause, most.NextStep = long, long, long, long, long
		if full.Kind != notice.CredentialRefused {
			most.FlowID, most.FlowName, most.Root, most.RunID, most.Sandbox = long, long, long, long, long
			most.Count, most.Attempts, most.DaysLeft = 1<<40, 1<<40, new(-1)
		}
		for _, n := range []notice.Notice{least, most} {
			if err := schema(t, name).Validate(parsed(t, envelope(t, n))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestSchemasRefuseUnknownFieldsAndWrongTypes: each field of each sample with a value of
// another type, and without each field that is required.
func TestSchemasRefuseUnknownFieldsAndWrongTypes(t *testing.T) {
	t.Parallel()
	refused := 0
	for name, n := range samples() {
		s, text := schema(t, name), envelope(t, n)
		refuse := func(what string, change func(event, detail map[string]any)) {
			t.Helper()
			refused++
			e := parsed(t, text)
			detail, _ := e["detail"].(map[string]any)
			change(e, detail)
			if s.Validate(e) == nil {
				t.Errorf("%s takes %s", name, what)
			}
		}
		refuse("an unknown field", func(e, _ map[string]any) { e["more"] = "x" })
		refuse("an unknown field of detail", func(_, d map[string]any) { d["more"] = "x" })
		e := parsed(t, text)
		detail, _ := e["detail"].(map[string]any)
		for field := range detail {
			for what, wrong := range map[string]any{"a list": []any{}, "null": nil, "a truth": true, "an object": map[string]any{"a": 1}, "an empty text": "", "a negative number": -1} {
				refuse(what+" in "+field, func(_, d map[string]any) { d[field] = wrong })
			}
		}
		for _, field := range []string{"schemaVersion", "id", "at", "threadId", "title", "message", "nextStep", "orgId"} {
			refuse("no "+field, func(_, d map[string]any) { delete(d, field) })
		}
		for _, field := range []string{"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"} {
			refuse("no "+field, func(e, _ map[string]any) { delete(e, field) })
		}
	}
	if refused < 400 {
		t.Errorf("only %d changes were tried", refused)
	}
}

// TestTheDecoderOfRequestsPassesOverEachNotice: by its name, whatever is in it.
func TestTheDecoderOfRequestsPassesOverEachNotice(t *testing.T) {
	t.Parallel()
	for name, n := range samples() {
		d, err := event.Decode(envelope(t, n))
		if err != nil || len(d.Items) != 1 || d.Items[0].Skip == nil || d.Items[0].Skip.Reason != event.OwnNotice {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}
