package awssim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// code is AWS's name of an error.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimPrefix(api.ErrorCode(), "com.amazonaws.sqs#")
	}
	return ""
}

func (w world) remove(t *testing.T, m types.Message) error {
	t.Helper()
	_, err := w.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (w world) hide(t *testing.T, m types.Message, seconds int32) error {
	t.Helper()
	_, err := w.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

func TestAReceiptHandleIsOfOneReceive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(t, "a message", 0)
	first := w.receive(t, w.queue)[0]
	w.sim.Advance(61 * time.Second)
	if err := w.hide(t, first, 60); code(err) != "MessageNotInflight" {
		t.Errorf("the timeout of a message that is visible again was changed: %v", err)
	}
	second := w.receive(t, w.queue)[0]
	if err := w.remove(t, first); err != nil || len(w.sim.Messages(w.queue)) != 1 {
		t.Errorf("an old handle deletes nothing, and is no error: %v, %d messages", err, len(w.sim.Messages(w.queue)))
	}
	if err := w.hide(t, first, 0); code(err) != "InvalidParameterValue" {
		t.Errorf("an old handle has changed a timeout: %v", err)
	}
	if err := w.remove(t, second); err != nil || len(w.sim.Messages(w.queue)) != 0 {
		t.Errorf("the newest handle: %v, %d messages", err, len(w.sim.Messages(w.queue)))
	}
	if err := w.remove(t, second); err != nil {
		t.Errorf("a message is deleted twice: %v", err)
	}
	if err := w.hide(t, second, 0); code(err) != "InvalidParameterValue" {
		t.Errorf("the timeout of a deleted message was changed: %v", err)
	}
	second.ReceiptHandle = aws.String("made up")
	if err := w.remove(t, second); code(err) != "ReceiptHandleIsInvalid" {
		t.Errorf("a handle that SQS has not made: %v", err)
	}
}

// TestAMessageCanBeDeletedAfterItsVisibilityTimeout: nobody has received it since.
func TestAMessageCanBeDeletedAfterItsVisibilityTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(t, "a message", 0)
	m := w.receive(t, w.queue)[0]
	w.sim.Advance(61 * time.Second)
	if err := w.remove(t, m); err != nil || len(w.sim.Messages(w.queue)) != 0 {
		t.Errorf("%v, %d messages", err, len(w.sim.Messages(w.queue)))
	}
}

func TestReceivingHasLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, in := range map[string]sqs.ReceiveMessageInput{
		"eleven messages":         {MaxNumberOfMessages: 11},
		"a negative number":       {MaxNumberOfMessages: -1},
		"a wait of 21 seconds":    {WaitTimeSeconds: 21},
		"invisible for too long":  {VisibilityTimeout: 43201},
		"a negative invisibility": {VisibilityTimeout: -1},
	} {
		in.QueueUrl = &w.queue
		if _, err := w.sqs.ReceiveMessage(t.Context(), &in); code(err) != "InvalidParameterValue" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTheAttributesThatAreAskedForAreReceived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attributes := map[string]types.MessageAttributeValue{}
	for _, name := range []string{"reason", "runId", "run.x"} {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("v")}
	}
	if _, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: aws.String("b"), MessageAttributes: attributes}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names  []string
		system []types.MessageSystemAttributeName
		want   int
	}{
		{want: 0},
		{names: []string{"All"}, system: []types.MessageSystemAttributeName{"All"}, want: 5},
		{names: []string{"reason", "runId"}, want: 2},
		{system: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp}, want: 1},
	} {
		out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.queue, MessageAttributeNames: c.names, MessageSystemAttributeNames: c.system})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("%v: %v, %v", c.names, out, err)
		}
		if m := out.Messages[0]; len(m.Attributes)+len(m.MessageAttributes) != c.want {
			t.Errorf("%v %v: %v %v, want %d", c.names, c.system, m.Attributes, m.MessageAttributes, c.want)
		}
		if err := w.remove(t, out.Messages[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: aws.String("b"), MessageAttributes: attributes}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSQSTellsFromWhichQueueItMovedAMessage, on the dead-letter queue only.
func TestSQSTellsFromWhichQueueItMovedAMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(t, "again and again", 0)
	for range 3 {
		w.receive(t, w.queue)
		w.sim.Advance(61 * time.Second)
	}
	moved := w.receive(t, w.dead)
	if len(moved) != 1 || moved[0].Attributes["DeadLetterQueueSourceArn"] != awssim.QueueARN("queue") {
		t.Errorf("received %+v", moved)
	}
}
