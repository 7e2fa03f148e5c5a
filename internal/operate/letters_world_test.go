package operate_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// letters is a world whose two queues are simulated, and whose clock is the real one.
type letters struct {
	*world

	sim             *awssim.Server
	sqs             *sqs.Client
	requests, queue string
}

func newLetters(t *testing.T) *letters {
	t.Helper()
	l := &letters{world: newWorld(t), sim: awssim.New()}
	l.queue = l.sim.AddQueue(awssim.Queue{Name: "letters", VisibilityTimeout: 30 * time.Second, Retention: operate.Retention})
	l.requests = l.sim.AddQueue(awssim.Queue{Name: "requests", VisibilityTimeout: time.Minute})
	base := "http://127.0.0.1"
	l.sqs = sqs.New(sqs.Options{
		Region: awssim.Region, BaseEndpoint: &base, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		HTTPClient: &http.Client{Transport: loopback.Transport{Handler: l.sim}},
	})
	l.Queues, l.Now = l.sqs, time.Now
	l.Stack.DeadLetterQueueURL, l.Stack.RequestQueueURL = l.queue, l.requests
	l.now = time.Now()
	l.answer = `{"results":[]}`
	return l
}

// dead makes dead letters of runs of a dataflow, in the ledger and on the queue.
func (l *letters) dead(flow, reason string, n int) (ids []string) {
	l.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%s-%d", flow, reason, i)
		l.gives(flow, "Flow "+flow, id, reason)
		l.message(id, flow, reason)
		ids = append(ids, id)
	}
	return ids
}

// message puts the dead letter of a run on the queue, as the function does.
func (l *letters) message(id, flow, reason string) {
	l.Helper()
	l.messageOf(org, id, flow, reason)
}

// messageOf is message for an org.
func (l *letters) messageOf(orgID, id, flow, reason string) {
	l.Helper()
	err := deadletter.NewQueue(l.sqs, l.queue).Send(l.Context(), deadletter.Message{
		Request: event.Request{RunID: id, FlowID: flow, OrgID: orgID, Sandbox: sandbox}, Reason: reason, Detail: "no file", FirstTime: l.now, LastTime: l.now,
	})
	if err != nil {
		l.Fatal(err)
	}
}

// withoutRun puts the dead letter letter-1, which is of no run, on the list and on the queue.
func (l *letters) withoutRun(body string) {
	l.Helper()
	const id = "letter-1"
	m := deadletter.Message{Payload: []byte(body), Reason: "unreadable", Detail: "the payload is not JSON", LetterID: id, FirstTime: l.now, LastTime: l.now}
	if err := deadletter.NewQueue(l.sqs, l.queue).Send(l.Context(), m); err != nil {
		l.Fatal(err)
	}
	if err := ledger.PutLetter(l.Context(), l.table, ledger.Letter{ID: id, Reason: m.Reason, Error: m.Detail, Body: body, At: l.now, Bytes: len(body)}); err != nil {
		l.Fatal(err)
	}
}

// other puts a message on the dead-letter queue that the ledger does not list.
func (l *letters) other(body string) {
	l.Helper()
	if _, err := l.sqs.SendMessage(l.Context(), &sqs.SendMessageInput{QueueUrl: &l.queue, MessageBody: &body}); err != nil {
		l.Fatal(err)
	}
}

// hidden counts the messages on the dead-letter queue that can't be received now.
func (l *letters) hidden() (n int) {
	for _, m := range l.sim.Messages(l.queue) {
		if m.VisibleAt.After(l.sim.Now()) {
			n++
		}
	}
	return n
}

// sent are the runs and letters of the messages on the request queue, in order.
func (l *letters) sent() (ids []string) {
	for _, m := range l.sim.Messages(l.requests) {
		ids = append(ids, m.Attributes["runId"].StringValue+m.Attributes["letterId"].StringValue)
	}
	slices.Sort(ids)
	return ids
}

func (l *letters) plan(f operate.LetterFilter, limit int) operate.Plan {
	l.Helper()
	p, err := operate.PlanLetters(l.Context(), l.Operator, f, limit)
	if err != nil {
		l.Fatal(err)
	}
	return p
}

func (l *letters) sendAgain(ctx context.Context, p operate.Plan) (operate.Done, error) {
	return operate.SendAgain(ctx, l.Operator, p, operate.Redrive{PerSecond: 10_000})
}

// receive receives up to ten messages of the dead-letter queue, as somebody else would.
func (l *letters) receive(visibility int32) int {
	l.Helper()
	out, err := l.sqs.ReceiveMessage(l.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(l.queue), MaxNumberOfMessages: 10, VisibilityTimeout: visibility})
	if err != nil {
		l.Fatal(err)
	}
	return len(out.Messages)
}

// beforeCounts does something before each count of messages.
type beforeCounts struct {
	operate.Queues

	do func()
}

func (q beforeCounts) GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput, options ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	q.do()
	return q.Queues.GetQueueAttributes(ctx, in, options...)
}

// afterReceives does something when SQS has handed messages over, before their answer is read:
// a receive whose context has ended then fails, as it does in net/http.
type afterReceives struct {
	operate.Queues

	do func()
}

func (q afterReceives) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	out, err := q.Queues.ReceiveMessage(ctx, in, options...)
	q.do()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, err
}
