package requestqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// simulated is the request queue on the simulator of SQS, which refuses what SQS refuses.
func simulated(t *testing.T, most int) (*requestqueue.Queue, func() []string, *awssim.Server) {
	t.Helper()
	sim := awssim.New()
	base, stop, err := sim.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	url := sim.AddQueue(awssim.Queue{Name: "requests", MaximumMessageSize: most})
	client := sqs.New(sqs.Options{
		Region: awssim.Region, BaseEndpoint: &base, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
	return requestqueue.New(client, url), func() (runs []string) {
		for _, m := range sim.Messages(url) {
			decoded, err := event.Decode([]byte(m.Body))
			if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
				t.Errorf("%s can't be read: %v", m.Body, err)
				continue
			}
			runs = append(runs, decoded.Items[0].Request.RunID)
		}
		return runs
	}, sim
}

func TestSQSTakesARequestWhateverTheTextOfItsErrors(t *testing.T) {
	t.Parallel()
	queue, sent, _ := simulated(t, 0)
	text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x00\x0b\uFFFE\uFFFF"))))
	rapid.Check(t, func(t *rapid.T) {
		list := waiting("a", "b")
		list[1].Request.Reason = text.Draw(t, "reason")
		list[1].Request.Errors = []event.RunError{event.NewRunError(text.Draw(t, "code"), text.Draw(t, "message"))}
		if err := errors.Join(queue.Send(context.Background(), list)...); err != nil { //nolint:usetesting // rapid.T has no context
			t.Fatal(err)
		}
	})
	if n := len(sent()); n < 200 {
		t.Errorf("%d requests are on the queue", n)
	}
}

func TestARequestThatSQSRefusesKeepsNoOtherFromTheQueue(t *testing.T) {
	t.Parallel()
	queue, sent, _ := simulated(t, 2048)
	list := waiting("a", "b", "c", "d")
	list[1].Request.Reason = strings.Repeat("x", 3000)                       // too long for this queue
	list[2].Request.CreatedAt = time.Date(31969, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such time
	errs := queue.Send(t.Context(), list)
	if got := fmt.Sprint(sent()); got != "[a d]" || errs[0] != nil || errs[3] != nil {
		t.Errorf("on the queue: %s; errors %v", got, errs)
	}
	if refused, ok := errors.AsType[*requestqueue.RefusedError](errs[1]); !ok || refused.Code != "InvalidParameterValue" || !strings.Contains(refused.Error(), "shorter than 2048") {
		t.Errorf("the long one: %v", errs[1])
	}
	if _, ok := errors.AsType[*requestqueue.RefusedError](errs[2]); !ok {
		t.Errorf("the one with a time that can't be: %v", errs[2])
	}
	// A whole sweep, by itself.
	err := queue.SendSweep(t.Context(), event.Sweep{FlowIDs: []string{strings.Repeat("f", 3000)}}, 0)
	if _, ok := errors.AsType[*requestqueue.RefusedError](err); !ok {
		t.Errorf("a long sweep: %v", err)
	}
}

func TestFaultsOfSQSAreToldFromThoseOfAMessage(t *testing.T) {
	t.Parallel()
	queue, _, sim := simulated(t, 0)
	for _, f := range []awssim.Fault{
		{Code: "AccessDenied"}, {Code: "com.amazonaws.sqs#RequestThrottled"}, {Code: "com.amazonaws.sqs#KmsDisabled"},
		{Code: "InvalidSecurity"}, {Code: "ExpiredToken"}, {}, {EntriesOnly: true}, {EntriesOnly: true, Code: "KmsAccessDenied", Of: "a"},
	} {
		f.Op = "SendMessageBatch"
		sim.Inject(f)
		err := queue.Send(t.Context(), waiting("a"))[0]
		if _, ok := errors.AsType[*requestqueue.UnavailableError](err); !ok {
			t.Errorf("%+v: %v, want that the queue is not available", f, err)
		}
	}
	for _, f := range []awssim.Fault{
		{Code: "com.amazonaws.sqs#InvalidMessageContents"}, {Code: "InvalidParameterValue"}, {Code: "com.amazonaws.sqs#BatchRequestTooLong"},
		{EntriesOnly: true, Code: "com.amazonaws.sqs#InvalidMessageContents", Of: "a"}, {EntriesOnly: true, Code: "InvalidParameterValue", Of: "a"},
	} {
		f.Op = "SendMessageBatch"
		sim.Inject(f)
		err := queue.Send(t.Context(), waiting("a"))[0]
		if _, ok := errors.AsType[*requestqueue.RefusedError](err); !ok {
			t.Errorf("%+v: %v, want that the message is refused", f, err)
		}
	}
}

// picky refuses a whole call where one of its messages has "bad" in it, as an emulator
// and, who knows, SQS itself may.
type picky struct {
	requestqueue.SQS
	code string

	mu    sync.Mutex
	calls [][]string
}

func (p *picky) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var bodies []string
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		bodies = append(bodies, *e.MessageBody)
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	p.calls = append(p.calls, bodies)
	if strings.Contains(strings.Join(bodies, ""), "bad") {
		return nil, &smithy.GenericAPIError{Code: p.code, Message: "no", Fault: smithy.FaultClient}
	}
	return out, nil
}

func TestACallThatIsRefusedForOneMessageIsSentMessageByMessage(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct{ calls, refused, unavailable int }{
		"InvalidMessageContents":                     {4, 1, 0},
		"AWS.SimpleQueueService.BatchRequestTooLong": {4, 1, 0},
		"AccessDenied":                               {1, 0, 3}, // no message is to blame
	} {
		p := &picky{code: code}
		refused, unavailable := 0, 0
		for _, err := range requestqueue.New(p, "https://sqs.example/1/q").Send(t.Context(), waiting("a", "bad", "c")) {
			if errors.As(err, new(*requestqueue.RefusedError)) {
				refused++
			}
			if errors.As(err, new(*requestqueue.UnavailableError)) {
				unavailable++
			}
		}
		if len(p.calls) != want.calls || refused != want.refused || unavailable != want.unavailable {
			t.Errorf("%s: %d calls, %d refused, %d unavailable; want %+v", code, len(p.calls), refused, unavailable, want)
		}
	}
}
