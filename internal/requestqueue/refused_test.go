package requestqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
)

// strict takes the messages that SQS takes, and fails the others of a batch as SQS does.
// The tests of the function run against the simulator of SQS.
type strict struct {
	requestqueue.SQS
	most int                          // bytes of a message
	err  error                        // of the call
	fail *types.BatchResultErrorEntry // of each message

	mu   sync.Mutex
	sent []string
}

func (s *strict) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		failed := types.BatchResultErrorEntry{Id: e.Id, SenderFault: true}
		switch size := len(*e.MessageBody); {
		case s.fail != nil:
			failed.Code, failed.Message, failed.SenderFault = s.fail.Code, s.fail.Message, s.fail.SenderFault
		case strings.ContainsFunc(*e.MessageBody, func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }):
			failed.Code = new("InvalidMessageContents")
		case size > s.most:
			failed.Code, failed.Message = new("InvalidParameterValue"), new(fmt.Sprintf("Message must be shorter than %d bytes.", s.most))
		default:
			s.sent = append(s.sent, *e.MessageBody)
			out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
			continue
		}
		out.Failed = append(out.Failed, failed)
	}
	return out, nil
}

// runs are those whose requests are on the queue.
func (s *strict) runs(t *testing.T) (runs []string) {
	t.Helper()
	for _, body := range s.sent {
		decoded, err := event.Decode([]byte(body))
		if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
			t.Errorf("%s can't be read: %v", body, err)
			continue
		}
		runs = append(runs, decoded.Items[0].Request.RunID)
	}
	return runs
}

func queueOn(client requestqueue.SQS) *requestqueue.Queue {
	return requestqueue.New(client, "https://sqs.example/1/q")
}

func TestSQSTakesARequestWhateverTheTextOfItsErrors(t *testing.T) {
	t.Parallel()
	client := &strict{most: 1 << 20}
	queue := queueOn(client)
	text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x00\x0b\uFFFE\uFFFF"))))
	rapid.Check(t, func(t *rapid.T) {
		list := waiting("a", "b")
		list[1].Request.Reason = text.Draw(t, "reason")
		list[1].Request.Errors = []event.RunError{event.NewRunError(text.Draw(t, "code"), text.Draw(t, "message"))}
		if err := errors.Join(queue.Send(context.Background(), list)...); err != nil { //nolint:usetesting // rapid.T has no context
			t.Fatal(err)
		}
	})
	if n := len(client.runs(t)); n < 200 {
		t.Errorf("%d requests are on the queue", n)
	}
}

func TestRefusedRequestDoesNotKeepOthersFromTheQueue(t *testing.T) {
	t.Parallel()
	client := &strict{most: 2048}
	queue := queueOn(client)
	list := waiting("a", "b", "c", "d")
	list[1].Request.Reason = strings.Repeat("x", 3000)                       // too long for this queue
	list[2].Request.CreatedAt = time.Date(31969, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such time: it is left out
	errs := queue.Send(t.Context(), list)
	if got := fmt.Sprint(client.runs(t)); got != "[a c d]" || errs[0] != nil || errs[2] != nil || errs[3] != nil {
		t.Errorf("on the queue: %s; errors %v", got, errs)
	}
	if refused, ok := errors.AsType[*requestqueue.RefusedError](errs[1]); !ok || refused.Code != "InvalidParameterValue" || !strings.Contains(refused.Error(), "shorter than 2048") {
		t.Errorf("the long one: %v", errs[1])
	}
	// A whole sweep, by itself.
	err := queue.SendSweep(t.Context(), event.Sweep{FlowIDs: []string{strings.Repeat("f", 3000)}}, 0)
	if _, ok := errors.AsType[*requestqueue.RefusedError](err); !ok {
		t.Errorf("a long sweep: %v", err)
	}
}

func TestFaultsOfSQSAreDistinguishedFromFaultsOfAMessage(t *testing.T) {
	t.Parallel()
	coded := func(code string) error { return &smithy.GenericAPIError{Code: code, Message: "no"} }
	entry := func(code string, senders bool) *types.BatchResultErrorEntry {
		return &types.BatchResultErrorEntry{Code: &code, Message: new("no"), SenderFault: senders}
	}
	for _, client := range []*strict{
		{err: coded("AccessDenied")},
		{err: coded("RequestThrottled")},
		{err: coded("KmsDisabled")},
		{err: coded("InvalidSecurity")},
		{err: coded("ExpiredToken")},
		{err: coded("AWS.SimpleQueueService.NonExistentQueue")},
		{err: &types.QueueDoesNotExist{}},
		{err: errors.New("a reset")},
		{err: context.DeadlineExceeded},
		{fail: entry("InternalError", false)},
		{fail: entry("KmsAccessDenied", true)},
		{fail: entry("InvalidParameterValue", false)},
	} {
		err := queueOn(client).Send(t.Context(), waiting("a"))[0]
		if _, ok := errors.AsType[*requestqueue.UnavailableError](err); !ok {
			t.Errorf("%v, %+v: %v, want that the queue is not available", client.err, client.fail, err)
		}
	}
	for _, client := range []*strict{
		{err: coded("InvalidMessageContents")},
		{err: &types.InvalidMessageContents{}},
		{err: &types.BatchRequestTooLong{}},
		{err: coded("InvalidParameterValue")},
		{err: coded("AWS.SimpleQueueService.BatchRequestTooLong")},
		{err: coded("com.amazonaws.sqs#BatchRequestTooLong")},
		{err: coded("InvalidParameterValueException")},
		{fail: entry("InvalidMessageContents", true)},
		{fail: entry("InvalidParameterValue", true)},
		{fail: entry("com.amazonaws.sqs#InvalidMessageContents", true)},
	} {
		err := queueOn(client).Send(t.Context(), waiting("a"))[0]
		if _, ok := errors.AsType[*requestqueue.RefusedError](err); !ok {
			t.Errorf("%v, %+v: %v, want that the message is refused", client.err, client.fail, err)
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

func TestCallRefusedForOneMessageIsRepeatedMessageByMessage(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct{ calls, refused, unavailable int }{
		"InvalidMessageContents":                     {4, 1, 0},
		"AWS.SimpleQueueService.BatchRequestTooLong": {4, 1, 0},
		"AccessDenied":                               {1, 0, 3}, // no message is to blame
	} {
		p := &picky{code: code}
		refused, unavailable := 0, 0
		for _, err := range queueOn(p).Send(t.Context(), waiting("a", "bad", "c")) {
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
