package operate_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

const (
	org     = "W@AdobeOrg"
	sandbox = "prod"
)

// world is a stack whose ledger a real ledger writes, whose queues have counts, and whose
// function answers as it is told.
type world struct {
	*operate.Operator
	*testing.T

	table  *memory.Table
	ledger *ledger.Ledger
	now    time.Time
	counts map[string]string // of the dead-letter queue
	answer string            // of the function, as JSON; empty refuses every call as AWS does
	asked  []map[string]any  // the payloads
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, table: memory.New(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), counts: map[string]string{}}
	clock := func() time.Time { return w.now }
	w.ledger = ledger.New(w.table, ledger.DefaultTTL, clock, ledger.KeepNews)
	w.Operator = &operate.Operator{
		Stack: operate.Stack{Name: "test", Region: "eu-west-1", Function: "retrigger", LedgerTable: "ledger", RequestQueueURL: "requests", DeadLetterQueueURL: "letters", Version: "1.2.3"},
		Table: reading{w.table}, Queues: queues{w: w}, Lambda: w, Now: clock,
		Caller: func(context.Context) (string, error) { return "arn:aws:iam::123456789012:user/ada", nil },
	}
	w.beat(ledger.Pulse{OrgID: org, Sandbox: sandbox, LastEvent: w.now.Add(-10 * time.Minute), LastSweep: w.now.Add(-time.Hour), Version: "1.2.3+abc", Mode: "retry", Schema: ledger.Schema})
	return w
}

// reading is a table that can only be read: the Operator never writes.
type reading struct{ store.Reader }

// beat writes a pulse, as the function does.
func (w *world) beat(p ledger.Pulse) {
	w.Helper()
	if err := ledger.WritePulses(w.Context(), w.table, w.now, p); err != nil {
		w.Fatal(err)
	}
}

// entries are those of a run, with a dataflow's name and an error.
func (w *world) entries(flowID, name, runID string) ledger.Entries {
	w.Helper()
	e, err := w.ledger.Load(w.Context(), ledger.Ref{OrgID: org, FlowID: flowID, Sandbox: sandbox, RunID: runID})
	if err != nil {
		w.Fatal(err)
	}
	e.Describe(name, "CONNECTOR-1001-500", "no file", "")
	return e
}

// note writes an outcome of a run.
func (w *world) note(e ledger.Entries, o ledger.Outcome, because ledger.Decision) {
	w.Helper()
	ctx := w.Context()
	var err error
	if o.State == ledger.DeadLettered {
		if e, err = w.ledger.Reserve(ctx, e, ledger.AnEvent, w.now.Add(time.Minute)); err != nil {
			w.Fatal(err)
		}
	}
	e.Because(because)
	if _, err = w.ledger.Note(ctx, e, ledger.AnEvent, o); err != nil {
		w.Fatal(err)
	}
}

// defers writes that a run waits.
func (w *world) defers(flowID, name, runID string) {
	w.Helper()
	w.note(w.entries(flowID, name, runID), ledger.Outcome{State: ledger.Deferred, Reason: "retry_delay", Due: w.now.Add(time.Hour)}, ledger.Decision{Rule: 18, Detail: "attempt 1 is due later"})
}

// gives writes that a run was given up.
func (w *world) gives(flowID, name, runID, reason string) {
	w.Helper()
	w.note(w.entries(flowID, name, runID), ledger.Outcome{State: ledger.DeadLettered, Reason: reason, GivenUp: true, Exhausted: true, Breaker: ledger.Breaker{Threshold: 2, Cooldown: 24 * time.Hour}}, ledger.Decision{})
}

// queues has the counts of the dead-letter queue. Everything else would be a call that
// the command must not make.
type queues struct {
	operate.Queues

	w *world
}

func (q queues) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	out := &sqs.GetQueueAttributesOutput{Attributes: map[string]string{}}
	for _, name := range in.AttributeNames {
		out.Attributes[string(name)] = "0"
		if n := q.w.counts[string(name)]; n != "" && aws.ToString(in.QueueUrl) == "letters" {
			out.Attributes[string(name)] = n
		}
	}
	return out, nil
}

const (
	visible   = string(types.QueueAttributeNameApproximateNumberOfMessages)
	invisible = string(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
)

// Invoke implements [operate.Lambda].
func (w *world) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	var payload map[string]any
	if err := json.Unmarshal(in.Payload, &payload); err != nil {
		return nil, err
	}
	w.asked = append(w.asked, payload)
	return &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(w.answer)}, nil
}

// kindOf is the kind of an error that a person gets.
func kindOf(t *testing.T, err error) operate.Kind {
	t.Helper()
	fault, ok := errors.AsType[*operate.Error](err)
	if !ok {
		t.Fatalf("error = %v, want one of operate", err)
	}
	return fault.Kind
}
