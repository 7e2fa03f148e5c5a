package handler

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

func TestACommandIsAnsweredWithAResultForEachRunAndWhatItChangedIsCounted(t *testing.T) {
	t.Parallel()
	f := newFunction()
	answer, err := f.direct(t, `{"cancel":{"runIds":["cancelled","not_waiting","cancelled"],"reason":"a test","by":"arn:a"}}`)
	if err != nil || len(answer.Results) != 2 || f.commands.orgID != testOrg {
		t.Fatalf("the answer is %+v, %v, for org %q", answer, err, f.commands.orgID)
	}
	if m := f.metrics(t); m["skipped"] != 1.0 || f.engine.addedUp != 1 {
		t.Errorf("the metrics are %v, added up are %d results", m, f.engine.addedUp)
	}
	if log := f.log(); !strings.Contains(log, `"by":"arn:a"`) || !strings.Contains(log, `"reason":"a test"`) || !strings.Contains(log, `"changed":1`) {
		t.Errorf("the log is %s", log)
	}
	if answer, err = f.direct(t, `{"now":{"runIds":["budget_spent"]}}`); err != nil || len(answer.Results) != 1 || answer.Results[0].Outcome != retry.Returned || f.engine.requeued != nil {
		t.Errorf("a run that goes on waiting: %+v, %v; requeued are %v", answer, err, f.engine.requeued)
	}
	if answer, err = f.direct(t, `{"drop":{"letterIds":["l"]}}`); err != nil || len(answer.Results) != 1 || answer.Results[0].LetterID != "l" {
		t.Errorf("a dead letter without a run: %+v, %v", answer, err)
	}
	if _, err = f.direct(t, `{"cancel":{"runIds":["a"],"orgId":"B@AdobeOrg"}}`); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("of an unknown org: %v", err)
	}
}

func TestStatusPausesAndConnectionsAreAnswered(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if answer, err := f.direct(t, `{"status":{}}`); err != nil || answer.Status == nil || answer.Status.Version != "1.2.3" || answer.Pauses != nil {
		t.Errorf("the status is %+v, %v", answer, err)
	}
	if answer, err := f.direct(t, `{"pauses":{}}`); err != nil || answer.Pauses == nil || len(*answer.Pauses) != 0 {
		t.Errorf("without a pause the answer is %+v, %v", answer, err)
	}
	if answer, err := f.direct(t, `{"connections":{"flowName":"orders"}}`); err != nil || answer.Connection == nil || !answer.Connection.Accepted {
		t.Errorf("the connection is %+v, %v", answer, err)
	}
	if _, err := f.direct(t, `{"connections":{"flowName":"odrers"}}`); err == nil || !strings.Contains(err.Error(), "odrers") {
		t.Errorf("of an unknown dataflow: %v", err)
	}
}

// TestADataflowThatAdobeDoesNotKnowIsNotPaused: and one of which Adobe can't be asked is, if it
// is named by its id. What is paused can be resumed without Adobe.
func TestADataflowThatAdobeDoesNotKnowIsNotPaused(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if _, err := f.direct(t, `{"pause":{"flowId":"misspelled"}}`); err == nil || !strings.Contains(err.Error(), "Adobe knows no dataflow misspelled") || f.pauses.paused != nil || f.engine.refused != nil {
		t.Errorf("the error is %v, paused are %v, refused are %v", err, f.pauses.paused, f.engine.refused)
	}
	if answer, err := f.direct(t, `{"pause":{"flowName":"orders","sandbox":"dev","by":"arn:a"}}`); err != nil || answer.Message != "" || len(f.pauses.paused) != 1 || f.pauses.paused[0].FlowID != knownFlow || f.flows.asked[1].Sandbox != "dev" {
		t.Errorf("by its name: %+v, %v, paused are %v", answer, err, f.pauses.paused)
	}
	f.flows.err = errors.New("Adobe is away")
	if answer, err := f.direct(t, `{"pause":{"flowId":"another"}}`); err != nil || !strings.Contains(answer.Message, "was not checked: Adobe is away") || len(f.pauses.paused) != 2 {
		t.Errorf("while Adobe is away: %+v, %v, paused are %v", answer, err, f.pauses.paused)
	}
	if _, err := f.direct(t, `{"pause":{"flowName":"orders"}}`); err == nil || len(f.pauses.paused) != 2 {
		t.Errorf("a name while Adobe is away: %v, paused are %v", err, f.pauses.paused)
	}
	asked := len(f.flows.asked)
	if answer, err := f.direct(t, `{"resume":{"flowId":"another"}}`); err != nil || answer.Message != "" || len(f.flows.asked) != asked {
		t.Errorf("what is paused is resumed: %+v, %v", answer, err)
	}
	f.flows.err = nil
	if _, err := f.direct(t, `{"resume":{"flowId":"misspelled"}}`); err == nil {
		t.Error("a misspelled dataflow is resumed")
	}
}

// TestAMistakeOfAPersonIsTheErrorOfTheCallAndNoDeadLetter: on a queue it is a dead letter.
func TestAMistakeOfAPersonIsTheErrorOfTheCallAndNoDeadLetter(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"runid":"a"}`:                     `unknown field "runid" (did you mean "runId"?)`,
		`{"runId":"a","sandbx":"prod"}`:     `unknown field "sandbx"`,
		`{"runId":""}`:                      "the run id is empty",
		`{"sweep":{"since":"yesterday"}}`:   `field "since" is`,
		`{"pause":{"flow":"f"}}`:            `unknown field "flow"`,
		`{"cancel":{"runId":"a"}}`:          `unknown field "runId" (did you mean "runIds"?)`,
		`{"cancel":{}}`:                     `"cancel" names runs in runIds`,
		`{"cancel":["a"]}`:                  `"cancel" is a command with an object of its fields`,
		`{"now":{"runIds":["a"]},"by":"x"}`: `"now" must stand alone`,
		`{"requests":[{"runId":"good-1"},{"runid":"b"},{"runId":5}]}`: `(and 1 more mistakes); nothing was done`,
		`{"pause":{"flowId":"f","flowName":"g"}}`:                     "by flowId and by flowName",
		`{"connections":{}}`: `names one dataflow`,
	} {
		f := newFunction()
		if _, err := f.direct(t, payload); err == nil || !strings.Contains(err.Error(), want) || f.engine.refused != nil || f.engine.worked != nil {
			t.Errorf("%s: %v, refused are %v, worked on are %v; want %s", payload, err, f.engine.refused, f.engine.worked, want)
		}
		if again := f.poll(t, sent{body: payload}); again != nil || f.engine.refused == nil {
			t.Errorf("on the queue %s comes again: %v, refused are %v", payload, again, f.engine.refused)
		}
	}
	f := newFunction()
	if _, err := f.direct(t, `{"runId":"a","orgId":"B@AdobeOrg"}`); err == nil || !strings.Contains(err.Error(), "no configured secret") || f.engine.refused != nil || f.engine.worked != nil {
		t.Errorf("an org that has no secret: %v, refused are %v, worked on are %v", err, f.engine.refused, f.engine.worked)
	}
	if _, err := f.direct(t, `noise`); err != nil || !slices.Equal(f.engine.refused, []event.Reason{event.Unreadable}) {
		t.Errorf("what may be anybody's: %v, refused are %v", err, f.engine.refused)
	}
}

func TestACommandFromAQueueIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pauses", "status", "cancel", "now", "drop", "connections"} {
		f := newFunction()
		fields := map[string]string{"cancel": `"runIds":["cancelled"]`, "now": `"runIds":["a"]`, "drop": `"runIds":["a"]`, "connections": `"flowId":"f"`}[name]
		if again := f.poll(t, sent{body: `{"` + name + `":{` + fields + `}}`}); again != nil || !slices.Equal(f.engine.refused, []event.Reason{event.NotDirect}) || f.commands.orgID != "" {
			t.Errorf("%s: %v come again, refused are %v", name, again, f.engine.refused)
		}
	}
}
