package world

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

const flowServicePath = flowsim.FlowServicePath

// Retriggers is how many runs the processes have re-triggered so far.
func (w *World) Retriggers() int { return w.Stack.Adobe.Count(flowsim.OpRetrigger) }

// FailureEvent is Adobe's event of a run that has just failed, each time another run of
// another dataflow: the payload of a direct invocation.
func (w *World) FailureEvent() []byte {
	w.serial++
	run := fmt.Sprintf("0b7e1c1a-0000-4000-8000-%012d", w.serial)
	w.Stack.AddFailedRun(run, fmt.Sprintf("6513270e-0000-4000-8000-%012d", w.serial), stack.OrgID, stack.Sandbox)
	return w.Stack.Adobe.FailureEvent(run)
}

// Batch is an SQS event with n such events. Whoever has done with all of them answers
// [Done].
func (w *World) Batch(n int) []byte {
	var batch events.SQSEvent
	for range n {
		body := string(w.FailureEvent())
		now := strconv.FormatInt(time.Now().UnixMilli(), 10)
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: fmt.Sprintf("19dd0b57-0000-4000-8000-%012d", w.serial), ReceiptHandle: "handle-" + strconv.Itoa(w.serial), Body: body,
			Attributes: map[string]string{
				"ApproximateReceiveCount": "1", "SentTimestamp": now, "ApproximateFirstReceiveTimestamp": now, "SenderId": "AIDAIENQZJOLO23YVJ4VO",
			},
			EventSource: "aws:sqs", EventSourceARN: awssim.QueueARN(stack.RequestQueue), AWSRegion: awssim.Region,
		})
	}
	payload, err := json.Marshal(batch)
	if err != nil {
		panic(err) // strings always encode
	}
	return payload
}

// Done is the answer to a batch of which every message is done with.
const Done = `{"batchItemFailures":[]}`
