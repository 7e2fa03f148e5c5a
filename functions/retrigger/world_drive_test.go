package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// lineage makes a run of dataflow f fail, and the given number of its successors. It
// returns the root when the lineage has come to its end.
func (w *world) lineage(failures int) (root string) {
	w.failing(failures)
	root = w.Fail("f")
	w.Told(root)
	w.Drain(24 * time.Hour)
	return root
}

// crashing returns a warm process that crashes after the given number of calls.
func crashing(w *world, calls int, after bool) *process {
	w.TB.Helper()
	p := w.Start(-1, false)
	w.invoke(p, `{"runId":"`+w.Fail("f")+`","orgId":"`+worldOrg+`","dryRun":true}`)
	p.CrashAfter(calls, after)
	return p
}

// lost is a process whose answers are lost, so SQS deletes no message.
type lost struct{ *process }

func (l lost) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	_, _ = l.process.Invoke(ctx, payload)
	return lambdaenv.Response{}, simulation.ErrDead
}

// driver starts processes of the function and gives them work.
type driver struct{ *simulation.World }

// tellAll sends the failure events of the runs to the queue.
func (d driver) tellAll(ids []string) {
	for _, id := range ids {
		d.Told(id)
	}
}

// pausing pauses or resumes by hand.
func (d driver) pausing(word, scope string) []throttle.Pause {
	d.TB.Helper()
	answer := d.invoke(d.Start(-1, false), `{"`+word+`":{`+scope+`}}`)
	if answer.Pauses == nil {
		d.TB.Fatalf("%s: the answer is %+v", word, answer)
	}
	return *answer.Pauses
}

// ownMessage returns a message as the function itself writes it, for a run of dataflow f
// with a due time.
func ownMessage(runID string, due time.Time) string {
	return fmt.Sprintf(`{"runId":%q,"flowId":"f","orgId":%q,"sandbox":"prod","origin":{"firstSeen":%q,"due":%q,"requeues":1}}`,
		runID, worldOrg, time.Now().UTC().Format(time.RFC3339Nano), due.UTC().Format(time.RFC3339Nano))
}

// sqsBatch returns a batch with the one message m, as Lambda delivers it.
func sqsBatch(t *testing.T, arn string, receives int, body string) []byte {
	t.Helper()
	payload, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"messageId": "m", "receiptHandle": "r", "eventSource": "aws:sqs", "eventSourceARN": arn,
		"attributes": map[string]string{"ApproximateReceiveCount": strconv.Itoa(receives)}, "body": body,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// invoke invokes the process directly, as a person does, and returns its answer.
func (d driver) invoke(p *process, payload string) Answer {
	d.TB.Helper()
	response, err := p.Invoke(context.Background(), []byte(payload))
	if err != nil || response.FunctionError != "" {
		d.TB.Fatalf("%s: %v, %s", payload, err, response.FunctionError)
	}
	var answer Answer
	if err := json.Unmarshal(response.Payload, &answer); err != nil {
		d.TB.Fatal(err)
	}
	return answer
}

// sweep invokes a new process with a sweep and returns the report.
func (d driver) sweep(payload string) sweep.Report {
	d.TB.Helper()
	answer := d.invoke(d.Start(-1, false), payload)
	if answer.Sweep == nil {
		d.TB.Fatalf("%s: the answer is %+v", payload, answer)
	}
	return *answer.Sweep
}

// onBus returns an event of Adobe as EventBridge delivers it.
func onBus(detail string) string {
	return `{"version":"0","id":"e","detail-type":"Platform notifications:source_flow_run_error","source":"aws.partner/developer.adobe.com/x","detail":` + detail + `}`
}

// onlySweep sweeps the default org by hand.
const onlySweep = `{"sweep":{"orgId":"` + worldOrg + `"}}`
