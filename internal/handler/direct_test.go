package handler

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

func TestADirectEventIsAnsweredWithItsResults(t *testing.T) {
	t.Parallel()
	f := newFunction()
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "id"})
	raw, err := f.Invoke(ctx, []byte(request("good-1")))
	if err != nil || !strings.Contains(string(raw), `"newRunId":"new-good-1"`) {
		t.Errorf("the answer is %s, %v", raw, err)
	}
	answer, err := f.direct(t, `{"requests":[`+request("good-2")+`,`+request("throttled-1")+`]}`)
	if err != nil || len(answer.Results) != 2 || answer.Results[1].Outcome != retry.Deferred {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
}

func TestADirectEventThatCannotWaitIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.engine.queueDown = true
	_, err := f.direct(t, request("throttled-1"))
	redeliver, ok := errors.AsType[*RedeliverError](err)
	if !ok || redeliver.Runs != 1 || redeliver.First.RunID != "throttled-1" || !strings.Contains(err.Error(), "deliver the event again") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnUnreadableEventThatFitsIntoNoDeadLetterIsItsSendersFault(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.engine.noDead = true
	_, err := f.direct(t, `noise`)
	if _, again := errors.AsType[*RedeliverError](err); err == nil || again {
		t.Errorf("the error is %v", err)
	}
}

func TestAnHTTPRequestFails(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if _, err := f.direct(t, `{"version":"2.0","requestContext":{"http":{"method":"POST"}},"body":"{}"}`); err == nil || f.out.Len() != 0 {
		t.Errorf("the error is %v", err)
	}
}

func TestWithoutAQueueNothingCanWait(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.returns.requests = nil
	if _, err := f.direct(t, request("throttled-1")); err == nil || f.engine.requeued != nil {
		t.Errorf("the error is %v, requeued are %v", err, f.engine.requeued)
	}
}

func TestASuccessIsSkippedAndItsRecoveryCounted(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.engine.recovered = 90 * time.Second
	if again := f.poll(t, sent{body: successOf("ours"), age: 5 * time.Minute}); again != nil {
		t.Errorf("%v come again", again)
	}
	m := f.metrics(t)
	if values, _ := m[RecoveryMinutes].([]any); m[Recovered] != 1.0 || len(values) != 1 || values[0] != 1.5 || m["skipped"] != 1.0 {
		t.Errorf("the metrics are %v", m)
	}
	if log := f.log(); !strings.Contains(log, `"level":"INFO"`) || !strings.Contains(log, `"root":"r","parent":"p"`) || !strings.Contains(log, `"attempt":2`) {
		t.Errorf("the log is %s", log)
	}
	if seen := time.Since(f.engine.succeeded[0]); seen < 5*time.Minute-time.Second || seen > 6*time.Minute {
		t.Errorf("the success was seen %s ago, want it when its event was sent", seen)
	}
	if len(f.engine.extra) != 2 || !f.engine.extra[0].Needed || !f.engine.extra[1].Needed {
		t.Errorf("read with the batch are %v", f.engine.extra)
	}
}

func TestASuccessWithoutARunOrAnOrgIsOnlySkipped(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.poll(t, sent{body: `{"id":"x","flowId":"f","metrics":{"statusSummary":{"status":"success"}}}`})
	if m := f.metrics(t); f.engine.succeeded != nil || m["skipped"] != 1.0 || m[Recovered] != nil || m[RecoveryMinutes] != nil {
		t.Errorf("the metrics are %v", m)
	}
}

func TestASuccessThatCannotBeRecordedComesAgain(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if again := f.poll(t, sent{body: successOf("ledger_unavailable-1"), receives: 30}); len(again) != 1 {
		t.Errorf("%v come again", again)
	}
	if _, err := f.direct(t, successOf("ledger_unavailable-1")); err == nil {
		t.Error("a direct event of it is not delivered again")
	}
}

// adobesEvent holds no run that the decoder knows.
const adobesEvent = `{"detail-type":"new","source":"aws.partner/adobe.com/x","detail":{"header":{"_adobeio":{"imsOrgId":"A@AdobeOrg"}},"somethingNew":1}}`

func TestOfEventsWithoutARunOneAnHourIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if again := f.poll(t, sent{body: adobesEvent}, sent{body: adobesEvent}, sent{body: adobesEvent}); again != nil {
		t.Errorf("%v come again", again)
	}
	if len(f.engine.refused) != 1 || f.shapes.counted != 3 || f.metrics(t)[string(event.Unrecognized)] != 3.0 {
		t.Errorf("%v dead letters, %d counted, metrics %v", f.engine.refused, f.shapes.counted, f.metrics(t))
	}
}

func TestWithoutTheCountEachEventWithoutARunIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.shapes.err = errAway
	f.poll(t, sent{body: adobesEvent}, sent{body: adobesEvent})
	if len(f.engine.refused) != 2 {
		t.Errorf("%v dead letters", f.engine.refused)
	}
}
