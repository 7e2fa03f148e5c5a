//go:build slow

package main

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

func TestSweepRequestsARunWithAGarbledErrorLikeTheOthers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ runs, dataflows, at int }{
		"among twenty":         {20, 20, 10},
		"on the first of many": {250, 250, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.OrgBudget, w.Config.FlowBudget = 0, 0
				ids := backlogWith(w, tt.runs, tt.dataflows, tt.at, garbled)
				w.Send(`{"sweep":{"since":"48h","sandbox":"prod"}}`)
				w.Drain(5 * time.Hour)
				w.wantOnce(t, append(ids, "special"))
				if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
					t.Errorf("%d dead letters: %v", n, w.AWS.Messages(w.DeadLetterQueue)[0].Attributes)
				}
				if r := w.lastSweep(); r.State != string(sweep.Finished) || r.Requested != tt.runs+1 || r.Failures != 0 {
					t.Errorf("the sweep is %+v", r)
				}
			})
		})
	}
}

// TestLargestUnreadableMessageBecomesADeadLetter: The dead letter is written at the first
// delivery.
func TestLargestUnreadableMessageBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	wrapped, err := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": "arn:x", "Message": strings.Repeat("\"\x00\b\uffff", 50_000)})
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"no JSON":                            strings.Repeat("x", sqstext.MaxRequest),
		"in two-byte characters":             strings.Repeat("ż", sqstext.MaxRequest/2),
		"with room for a reason":             strings.Repeat("x", sqstext.MaxRequest-50),
		"JSON":                               `{"unknown":"` + strings.Repeat("x", sqstext.MaxRequest-14) + `"}`,
		"characters that SQS refuses inside": strings.ReplaceAll(string(wrapped), "\uffff", `\uffff`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Send(body)
				if n := w.Poll(w.Start(-1, false)); n != 1 || len(w.AWS.Messages(w.Requests)) != 0 {
					t.Errorf("%d delivered, %d messages are left", n, len(w.AWS.Messages(w.Requests)))
				}
				letter := w.letter()
				if letter.Attributes["reason"].StringValue == "" || len(letter.Body) > sqstext.MaxRequest {
					t.Errorf("the letter has %d bytes and the attributes %v", len(letter.Body), letter.Attributes)
				}
			})
		})
	}
}

// TestPartLongerThanItsMessageIsKeptAsTheMessage: Base64 can be shorter than its content
// as JSON. A text of JSON is kept as it came and fits. The dead letter is written at the
// first delivery, so the message does not come again and again.
func TestPartLongerThanItsMessageIsKeptAsTheMessage(t *testing.T) {
	t.Parallel()
	const request, event = `{"runId":"root-f-1","orgId":"W@AdobeOrg","sandbox":"prod"}`, `{"specversion":"1.0","type":"flow_run","source":"aep","data_base64":"`
	bad := `[{"shape":"` + strings.Repeat("\uffff", 200_000) + `"},{"id":"","flowId":"f","metrics":{"statusSummary":{"status":"failed"}}}]`
	for name, tt := range map[string]struct {
		body    string
		letters int
		whole   int // of the letters, those that are the message as it came
	}{
		"in base64":              {`[` + request + `,` + event + base64.StdEncoding.EncodeToString([]byte(bad)) + `"}]`, 2, 1},
		"in a message of SNS":    {`{"Records":[{"Sns":{"Message":` + strconv.Quote(request) + `}},{"Sns":{"Message":"` + strings.Repeat("\u2028", sqstext.MaxRequest/3-70) + `"}}]}`, 1, 0},
		"it fits without its id": {`{"event_id":"` + strings.Repeat("<", sqstext.MaxRequest-300) + `","event":[{"id":"","flowId":"f","metrics":{"statusSummary":{"status":"failed"}}},{"id":"","flowId":"f","metrics":{"statusSummary":{"status":"failed"}}}]}`, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Fail("f")
				w.Send(tt.body)
				if n := w.Poll(w.Start(-1, false)); n != 1 || len(w.AWS.Messages(w.Requests)) != 0 {
					t.Errorf("%d delivered, %d messages are left", n, len(w.AWS.Messages(w.Requests)))
				}
				letters, whole := w.AWS.Messages(w.DeadLetterQueue), 0
				for _, letter := range letters {
					if letter.Body == tt.body {
						whole++
					}
				}
				if len(letters) != tt.letters || whole != tt.whole {
					t.Errorf("%d letters, of which %d are the message; want %d and %d\n%s", len(letters), whole, tt.letters, tt.whole, w)
				}
				if n := w.Lineages()["root-f-1"]; strings.Contains(tt.body, "root-f-1") && n != 1 {
					t.Errorf("the request beside it was sent %d times, want once", n)
				}
			})
		})
	}
}

// TestRunWhoseRequestSQSRefusesStopsNoSweep: The run becomes a dead letter, whether SQS
// refuses its message or the whole call.
func TestRunWhoseRequestSQSRefusesStopsNoSweep(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault awssim.Fault
		code  string
	}{
		"the message":           {awssim.Fault{EntriesOnly: true, Code: "com.amazonaws.sqs#InvalidMessageContents"}, "InvalidMessageContents"},
		"the message, too long": {awssim.Fault{EntriesOnly: true, Code: "InvalidParameterValue"}, "InvalidParameterValue"},
		"the whole call":        {awssim.Fault{Code: "com.amazonaws.sqs#InvalidMessageContents"}, "InvalidMessageContents"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.OrgBudget, w.Config.FlowBudget = 0, 0
				ids := backlogWith(w, 150, 150, 20, "which SQS refuses")
				tt.fault.Op, tt.fault.Of, tt.fault.Times = "SendMessageBatch", "which SQS refuses", 1000
				w.AWS.Inject(tt.fault)
				w.Send(`{"sweep":{"since":"48h","sandbox":"prod"}}`)
				w.Drain(5 * time.Hour)
				w.wantOnce(t, ids)
				letter := w.letter()
				if letter.Attributes["reason"].StringValue != "unsendable" || letter.Attributes["runId"].StringValue != "special" || !strings.Contains(letter.Body, tt.code) {
					t.Errorf("the letter is %s, %v", letter.Body, letter.Attributes)
				}
				if r := w.lastSweep(); r.State != string(sweep.Finished) || r.Requested != 150 || r.Skipped["unsendable"] != 1 || r.Failures != 0 {
					t.Errorf("the sweep is %+v", r)
				}
				if e := w.Entry("special"); e["state"] != "dead_lettered" || e["reason"] != "unsendable" {
					t.Errorf("the run's entry is %v", e)
				}
				if n := w.Logs.Sum("dead_lettered"); n != 1 {
					t.Errorf("the metric counts %d dead letters, want 1", n)
				}
				// The next sweep leaves it alone, and a redrive retries it.
				if r := w.sweep(`{"sweep":{"since":"48h","sandbox":"prod"}}`); r.Skipped["unsendable"] != 1 || r.Requested != 0 {
					t.Errorf("the second sweep is %+v", r)
				}
				w.redrive()
				w.Drain(time.Hour)
				w.wantOnce(t, []string{"special"})
			})
		})
	}
}
