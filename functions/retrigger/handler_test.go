package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// The id of a run says what Flow Service answers, and whether a dead letter of it
// can be written ("-unwritable").
const (
	good      = "good"      // a new run
	gone      = "gone"      // 404
	forbidden = "forbidden" // 403
	unsure    = "unsure"    // 503
	throttled = "throttled" // 429
)

func adobe(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ims/") {
			_, _ = io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
			return
		}
		if r.URL.Path == "/runs" { // what became of an unsure one can't be looked up
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		id := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")[1]
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprintf(w, `{"items":[{"id":%q,"flowId":"f-%s","createdAt":1,"metrics":{"statusSummary":{"status":"failed"}}}]}`, id, id)
			return
		}
		kind, _, _ := strings.Cut(id, "-")
		status := map[string]int{good: 200, gone: 404, forbidden: 403, unsure: 503, throttled: 429}[kind]
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"id":"new-%s"}`, id)
	}))
	t.Cleanup(server.Close)
	return server
}

// secrets always gives the one secret.
type secrets struct{}

func (secrets) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return &secretsmanager.GetSecretValueOutput{
		SecretString: new(`{"client_id":"c","client_secret":"s","org_id":"A@AdobeOrg","scopes":"openid","sandbox":"prod"}`),
	}, nil
}

// letters is a dead-letter queue that refuses some messages, which no emulator
// does.
type letters struct{}

func (letters) Send(_ context.Context, l deadletter.Message) error {
	if strings.Contains(l.Request.RunID, "unwritable") || strings.Contains(string(l.Payload), "unwritable") {
		return errors.New("the queue refuses the message")
	}
	return nil
}

// queue is a request queue that takes everything or nothing.
type queue struct{ down bool }

func (q queue) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	if q.down {
		return nil, errors.New("the queue is down")
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (q queue) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	if q.down {
		return nil, errors.New("the queue is down")
	}
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func newTestHandler(url string, requests *requestqueue.Queue) *handler.Handler {
	cfg := config.Config{FlowServiceURL: url, IMSURL: url, RetriggerOp: "re-trigger", CallTimeout: time.Minute}
	log := slog.New(slog.DiscardHandler)
	var waiting retry.Requests
	if requests != nil {
		waiting = requests
	}
	table := memory.New()
	limits := throttle.New(table, throttle.Limits{}, false, time.Now)
	accounts := credentials.NewStore(secrets{}, []string{"s"}, clients(cfg, nil, []flowclient.Option{flowclient.WithMaxAttempts(1)}), time.Hour, time.Now)
	engine := retry.New(
		accounts,
		ledger.New(table, ledger.DefaultTTL, time.Now), table, limits, letters{}, waiting,
		retry.Options{Rules: retry.Rules{Policy: &policy.Policy{Delays: policy.DefaultDelays()}}, CallTimeout: cfg.CallTimeout, Now: time.Now, Log: log},
	)
	parts := handler.Parts{
		Engine: engine, Accounts: accounts, Throttle: limits, Shapes: unrecognized.New(table, time.Now),
		Metrics: telemetry.NewMetrics(io.Discard, "test", time.Now), Log: log, Concurrency: 3, CallTimeout: cfg.CallTimeout,
	}
	if requests != nil {
		parts.Requests = requests
	}
	return handler.New(parts)
}

// body is a message of a batch and what the model says of it.
type body struct {
	text string
	runs []string // nil for input that can't be read
}

func bodies() *rapid.Generator[body] {
	return rapid.Custom(func(t *rapid.T) body {
		if rapid.IntRange(0, 5).Draw(t, "unreadable") == 0 {
			return body{text: rapid.SampledFrom([]string{"noise", "null", `{"runid":"x"}`, "", "noise unwritable", "[]"}).Draw(t, "noise")}
		}
		runs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			kind := rapid.SampledFrom([]string{good, gone, forbidden, unsure, throttled}).Draw(t, "kind")
			return kind + rapid.SampledFrom([]string{"", "-unwritable"}).Draw(t, "letter") + fmt.Sprint("-", rapid.IntRange(0, 3).Draw(t, "number"))
		}), 1, 4).Draw(t, "runs")
		quoted := make([]string, len(runs))
		for i, id := range runs {
			quoted[i] = fmt.Sprintf(`{"runId":%q}`, id)
		}
		if len(runs) == 1 {
			return body{text: quoted[0], runs: runs}
		}
		return body{text: `{"requests":[` + strings.Join(quoted, ",") + `]}`, runs: runs}
	})
}

// again is the model: whether the message must be delivered again.
func (b body) again(queueUp bool) bool {
	if b.runs == nil {
		return strings.Contains(b.text, "unwritable")
	}
	returned, kept := 0, 0 // kept: returned, and neither the queue nor the dead-letter queue takes it
	for _, id := range b.runs {
		unwritable := strings.Contains(id, "unwritable")
		switch kind, _, _ := strings.Cut(id, "-"); {
		case kind == good:
		case kind == throttled, kind == unsure, unwritable:
			returned++
			if !queueUp && unwritable {
				kept++
			}
		}
	}
	return returned == len(b.runs) || kept > 0
}

// TestBatchItemFailuresAreExact: for any batch and any mix of outcomes the answer
// names exactly the messages that must be delivered again, each once.
func TestBatchItemFailuresAreExact(t *testing.T) {
	t.Parallel()
	server := adobe(t)
	rapid.Check(t, func(t *rapid.T) {
		queueUp := rapid.Bool().Draw(t, "queueUp")
		batch := rapid.SliceOfN(bodies(), 0, 10).Draw(t, "batch")
		handler := newTestHandler(server.URL, requestqueue.New(queue{down: !queueUp}, "https://sqs.example/1/requests"))

		event := events.SQSEvent{Records: []events.SQSMessage{}}
		want := []string{}
		for i, b := range batch {
			id := fmt.Sprintf("message-%d", i)
			event.Records = append(event.Records, events.SQSMessage{
				MessageId: id, Body: b.text, EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:1:requests", ReceiptHandle: id,
			})
			if b.again(queueUp) {
				want = append(want, id)
			}
		}
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := handler.Invoke(context.Background(), payload) //nolint:usetesting // rapid.T has no context
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(answer), `{"batchItemFailures":[`) {
			t.Fatalf("answer = %s", answer)
		}
		var response events.SQSEventResponse
		if err := json.Unmarshal(answer, &response); err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, f := range response.BatchItemFailures {
			got = append(got, f.ItemIdentifier)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("messages to be delivered again (-want +got):\n%s", diff)
		}
	})
}

func TestAMessageIDIsNamedOnce(t *testing.T) {
	t.Parallel()
	handler := newTestHandler(adobe(t).URL, nil)
	answer, err := handler.Invoke(t.Context(), []byte(`{"Records":[
		{"eventSource":"aws:sqs","messageId":"m","body":"{\"runId\":\"throttled-1\"}"},
		{"eventSource":"aws:sqs","messageId":"m","body":"{\"runId\":\"throttled-2\"}"}]}`))
	if want := `{"batchItemFailures":[{"itemIdentifier":"m"}]}`; err != nil || string(answer) != want {
		t.Errorf("answer = %s, %v; want %s", answer, err, want)
	}
}

func TestDirectInvocation(t *testing.T) {
	t.Parallel()
	up := requestqueue.New(queue{}, "https://sqs.example/1/requests")
	down := requestqueue.New(queue{down: true}, "https://sqs.example/1/requests")
	for name, tt := range map[string]struct {
		payload string
		queue   *requestqueue.Queue
		want    []string // outcome and reason
		fails   bool
	}{
		"done":                       {`{"runId":"good-1"}`, up, []string{"retriggered "}, false},
		"can't be retried":           {`{"runId":"gone-1"}`, up, []string{"dead_lettered run_not_found"}, false},
		"unreadable":                 {`null`, up, []string{"dead_lettered wrong_type"}, false},
		"deferred":                   {`{"runId":"throttled-1"}`, up, []string{"deferred throttled"}, false},
		"dry run is never deferred":  {`{"runId":"throttled-1","dryRun":true}`, up, []string{"skipped dry_run"}, false},
		"without a queue":            {`{"runId":"throttled-1"}`, nil, nil, true},
		"the queue is down":          {`{"runId":"throttled-1"}`, down, nil, true},
		"no dead letter, no queue":   {`{"runId":"gone-unwritable-1"}`, down, nil, true},
		"no dead letter, but queue":  {`{"runId":"gone-unwritable-1"}`, up, []string{"deferred dead_letter_queue_unavailable"}, false},
		"a list in part, queue down": {`{"requests":[{"runId":"good-1"},{"runId":"throttled-1"}]}`, down, []string{"retriggered ", "dead_lettered throttled"}, false},
		"a list with a fault":        {`[{"runId":"good-1"},{"runid":"x"}]`, up, []string{"retriggered ", "dead_lettered unknown_field"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := newTestHandler(adobe(t).URL, tt.queue)
			payload, err := handler.Invoke(t.Context(), []byte(tt.payload))
			if tt.fails {
				if redeliver, ok := errors.AsType[*RedeliverError](err); !ok || redeliver.Runs != 1 || redeliver.First.RunID == "" {
					t.Fatalf("error = %v, want a RedeliverError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var answer Answer
			if err := json.Unmarshal(payload, &answer); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range answer.Results {
				got = append(got, string(r.Outcome)+" "+string(r.Reason))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSecondDeliveryToTheSameProcessIsADuplicate(t *testing.T) {
	t.Parallel()
	handler := newTestHandler(adobe(t).URL, nil)
	for i, want := range []string{`"outcome":"retriggered","newRunId":"new-good-1"`, `"outcome":"retriggered","reason":"duplicate"`} {
		answer, err := handler.Invoke(t.Context(), []byte(`{"runId":"good-1"}`))
		if err != nil || !strings.Contains(string(answer), want) || !strings.Contains(string(answer), "new-good-1") {
			t.Errorf("delivery %d: %s, %v; want %s", i+1, answer, err, want)
		}
	}
}

// TestTheLimitsAreShared by the environments that work on the queue.
func TestTheLimitsAreShared(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		perSecond, atOnce, queue int
		want                     throttle.Limits
	}{
		"among five":     {10, 10, 5, throttle.Limits{PerSecond: 2, AtOnce: 2, Processes: 5}},
		"with a rest":    {10, 14, 4, throttle.Limits{PerSecond: 2.5, AtOnce: 3, Processes: 4}},
		"any number":     {0, 0, 5, throttle.Limits{Processes: 5}},
		"not configured": {10, 10, 0, throttle.Limits{PerSecond: 10, AtOnce: 10, Processes: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := share(config.Config{CallsPerSecond: tt.perSecond, ConcurrentCalls: tt.atOnce, QueueConcurrency: tt.queue})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the share (-want +got):\n%s", diff)
			}
		})
	}
}
