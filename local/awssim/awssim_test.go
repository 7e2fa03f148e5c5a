package awssim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// world is the simulator behind the real SDK, which checks the digests of
// messages.
type world struct {
	sim     *awssim.Server
	base    string
	sqs     *sqs.Client
	secrets *secretsmanager.Client
	queue   string
	dead    string
}

func newWorld(t *testing.T) world {
	t.Helper()
	sim := awssim.New()
	base, stop, err := sim.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})
	return world{
		sim: sim, base: base,
		sqs:     sqs.New(sqs.Options{Region: awssim.Region, BaseEndpoint: &base, Credentials: keys}),
		secrets: secretsmanager.New(secretsmanager.Options{Region: awssim.Region, BaseEndpoint: &base, Credentials: keys}),
		dead:    sim.AddQueue(awssim.Queue{Name: "dead", VisibilityTimeout: time.Minute}),
		queue:   sim.AddQueue(awssim.Queue{Name: "queue", VisibilityTimeout: time.Minute, DeadLetterQueue: "dead", MaxReceives: 2}),
	}
}

func (w world) send(t *testing.T, body string, delay int32) {
	t.Helper()
	if _, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: &body, DelaySeconds: delay}); err != nil {
		t.Fatal(err)
	}
}

func (w world) receive(t *testing.T, queue string) []types.Message {
	t.Helper()
	out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &queue, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func TestDelayVisibilityAndRedrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(t, "later", 60)
	if n := len(w.receive(t, w.queue)); n != 0 {
		t.Fatalf("%d messages before their delay", n)
	}
	w.sim.Advance(time.Minute)
	first := w.receive(t, w.queue)
	if len(first) != 1 || *first[0].Body != "later" {
		t.Fatalf("received %v", first)
	}
	if n := len(w.receive(t, w.queue)); n != 0 {
		t.Error("a received message is visible")
	}
	w.sim.Advance(time.Minute)
	if second := w.receive(t, w.queue); len(second) != 1 || second[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("received %v", second)
	}
	w.sim.Advance(time.Minute)
	if n := len(w.receive(t, w.queue)); n != 0 || len(w.sim.Messages(w.dead)) != 1 {
		t.Errorf("%d messages after too many receives, %d dead", n, len(w.sim.Messages(w.dead)))
	}
	if _, err := w.sqs.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(awssim.QueueARN("dead"))}); err != nil {
		t.Fatal(err)
	}
	back := w.receive(t, w.queue)
	if len(back) != 1 || back[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("after the redrive: %v", back)
	}
	if _, err := w.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.queue, ReceiptHandle: back[0].ReceiptHandle}); err != nil || len(w.sim.Messages(w.queue)) != 0 {
		t.Errorf("delete: %v", err)
	}
}

// TestShuffledQueueHasNoOrder: The seed decides the order.
func TestShuffledQueueHasNoOrder(t *testing.T) {
	t.Parallel()
	order := func(seed uint64) string {
		w := newWorld(t)
		if seed != 0 {
			w.sim.Shuffle(w.queue, seed)
		}
		for _, body := range "abcdefgh" {
			w.send(t, string(body), 0)
		}
		var bodies strings.Builder
		for _, m := range w.receive(t, w.queue) {
			bodies.WriteString(*m.Body)
		}
		return bodies.String()
	}
	if got := order(0); got != "abcdefgh" {
		t.Errorf("without a seed the order is %s", got)
	}
	if one, again, other := order(1), order(1), order(2); one != again || one == other || len(one) != 8 {
		t.Errorf("with seeds the orders are %s, %s, %s", one, again, other)
	}
}

func TestOldMessageIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.queue = w.sim.AddQueue(awssim.Queue{Name: "short", VisibilityTimeout: time.Minute, Retention: time.Hour})
	w.send(t, "x", 0)
	w.sim.Advance(59 * time.Minute)
	if n := len(w.receive(t, w.queue)); n != 1 {
		t.Fatalf("%d messages before the time", n)
	}
	w.sim.Advance(2 * time.Minute)
	if n := len(w.receive(t, w.queue)); n != 0 || len(w.sim.Messages(w.queue)) != 0 {
		t.Errorf("%d messages after the time", n)
	}
}

func TestVisibilityIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(t, "x", 0)
	m := w.receive(t, w.queue)[0]
	change := func(seconds int32) error {
		_, err := w.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
		return err
	}
	w.sim.Advance(30 * time.Second)
	if err := change(12*3600 - 10); err == nil || !strings.Contains(err.Error(), "43200") {
		t.Errorf("12 hours from the receive are passed: %v", err)
	}
	if err := change(12*3600 - 60); err != nil {
		t.Error(err)
	}
	if err := change(0); err != nil || len(w.receive(t, w.queue)) != 1 {
		t.Errorf("the message is not visible at once: %v", err)
	}
}

func TestLongPollIsWokenByAMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	received := make(chan int)
	go func() {
		out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.queue, WaitTimeSeconds: 20})
		if err != nil {
			t.Error(err)
			close(received)
			return
		}
		received <- len(out.Messages)
	}()
	w.send(t, "x", 0)
	if n := <-received; n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestMessagesAreCheckedAsSQSDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attributes := func(n int) map[string]types.MessageAttributeValue {
		all := map[string]types.MessageAttributeValue{}
		for i := range n {
			all[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: aws.String("1")}
		}
		return all
	}
	for name, tt := range map[string]struct {
		in   sqs.SendMessageInput
		code string
	}{
		"ten attributes":    {sqs.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: attributes(10)}, ""},
		"eleven attributes": {sqs.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: attributes(11)}, "InvalidParameterValue"},
		"empty attribute": {sqs.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{
			"a": {DataType: aws.String("String"), StringValue: aws.String("")},
		}}, "InvalidParameterValue"},
		"empty body":    {sqs.SendMessageInput{MessageBody: aws.String("")}, "MissingParameter"},
		"large body":    {sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1<<20+1))}, "InvalidParameterValue"},
		"control":       {sqs.SendMessageInput{MessageBody: aws.String("\x00")}, "InvalidMessageContents"},
		"delay":         {sqs.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: 901}, "InvalidParameterValue"},
		"unknown queue": {sqs.SendMessageInput{MessageBody: aws.String("x"), QueueUrl: aws.String(w.base + "/1/none")}, "QueueDoesNotExist"},
	} {
		if tt.in.QueueUrl == nil {
			tt.in.QueueUrl = &w.queue
		}
		if _, err := w.sqs.SendMessage(t.Context(), &tt.in); (err != nil) != (tt.code != "") || err != nil && !strings.Contains(err.Error(), tt.code) {
			t.Errorf("%s: %v, want %q", name, err, tt.code)
		}
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := func(ids ...string) (*sqs.SendMessageBatchOutput, error) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &w.queue}
		for _, id := range ids {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String(id)})
		}
		return w.sqs.SendMessageBatch(t.Context(), in)
	}
	if _, err := batch(strings.Split("1,2,3,4,5,6,7,8,9,10,11", ",")...); err == nil {
		t.Error("eleven entries were taken")
	}
	if _, err := batch("1", "1"); err == nil {
		t.Error("an id that stands twice was taken")
	}
	w.sim.Inject(awssim.Fault{Op: "SendMessageBatch", EntriesOnly: true})
	if out, err := batch("1", "2"); err != nil || len(out.Failed) != 2 || len(out.Successful) != 0 {
		t.Errorf("with a fault: %+v, %v", out, err)
	}
	if out, err := batch("1", "2"); err != nil || len(out.Successful) != 2 || len(w.sim.Messages(w.queue)) != 2 {
		t.Errorf("= %+v, %v", out, err)
	}
}

func TestSecretsAndSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
	if _, ok := errors.AsType[*sm.ResourceNotFoundException](err); !ok {
		t.Errorf("a missing secret: %v", err)
	}
	w.sim.PutSecret("s", "text")
	if out, err := w.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")}); err != nil || *out.SecretString != "text" {
		t.Errorf("= %+v, %v", out, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base, strings.NewReader(`{"SecretId":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned request is answered with %d", answer.StatusCode)
	}
}

func TestRedriveOfSentDeadLettersNeedsADestination(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.dead, MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		destination *string
		moved       int
	}{{nil, 0}, {aws.String(awssim.QueueARN("queue")), 1}} {
		_, err := w.sqs.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(awssim.QueueARN("dead")), DestinationArn: tt.destination})
		if err != nil || len(w.sim.Messages(w.queue)) != tt.moved || len(w.sim.Messages(w.dead)) != 1-tt.moved {
			t.Errorf("%d moved (%v), want %d", len(w.sim.Messages(w.queue)), err, tt.moved)
		}
	}
}
