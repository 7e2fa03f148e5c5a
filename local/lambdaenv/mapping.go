package lambdaenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Mapping polls a queue as Lambda's event source mapping does, with
// ReportBatchItemFailures on:
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
type Mapping struct {
	SQS       *sqs.Client
	QueueURL  string
	BatchSize int32
	Invoker   Invoker
	// AllowLoops switches Lambda's recursion detection off, as RecursiveLoop: Allow
	// does. The chains are still counted; see [Chain].
	AllowLoops bool
}

// Poll receives one batch, invokes the function with it and deletes the messages
// that were not named as failures. It returns how many were received and how
// many deleted; a batch whose answer breaks the rules is not deleted at all.
func (m *Mapping) Poll(ctx context.Context, waitSeconds int32) (received, deleted int, err error) {
	out, err := m.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &m.QueueURL, MaxNumberOfMessages: m.BatchSize, WaitTimeSeconds: waitSeconds,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("receive messages: %w", err)
	}
	if len(out.Messages) == 0 {
		return 0, 0, nil
	}
	payload, err := json.Marshal(m.event(out.Messages))
	if err != nil {
		return 0, 0, err
	}
	invocation := invocationOf(ctx, out.Messages)
	if chain := Chain(invocation); chain > maxChain && !m.AllowLoops {
		return len(out.Messages), 0, &RecursionError{chain}
	}
	answer, err := m.Invoker.Invoke(invocation, payload)
	if err != nil {
		return len(out.Messages), 0, err
	}
	failed, err := failures(answer, out.Messages)
	if err != nil {
		return len(out.Messages), 0, err
	}
	var undeleted []error
	for _, message := range out.Messages {
		if failed[*message.MessageId] {
			continue
		}
		if _, err := m.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &m.QueueURL, ReceiptHandle: message.ReceiptHandle}); err != nil {
			undeleted = append(undeleted, fmt.Errorf("delete message: %w", err))
			continue
		}
		deleted++
	}
	return len(out.Messages), deleted, errors.Join(undeleted...)
}

func (m *Mapping) event(messages []types.Message) events.SQSEvent {
	name := m.QueueURL[strings.LastIndex(m.QueueURL, "/")+1:]
	var event events.SQSEvent
	for _, message := range messages {
		record := events.SQSMessage{
			MessageId: *message.MessageId, ReceiptHandle: *message.ReceiptHandle, Body: *message.Body, Md5OfBody: *message.MD5OfBody,
			Attributes: message.Attributes, MessageAttributes: map[string]events.SQSMessageAttribute{},
			EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:" + name, AWSRegion: "us-east-1",
		}
		for key, value := range message.MessageAttributes {
			record.MessageAttributes[key] = events.SQSMessageAttribute{DataType: *value.DataType, StringValue: value.StringValue}
		}
		event.Records = append(event.Records, record)
	}
	return event
}

// failures reads a partial batch response by Lambda's rules: no list or an empty
// one is a success; an error of the function, a bad answer, an empty id or one
// that is not of the batch fails the whole batch.
func failures(answer Response, messages []types.Message) (map[string]bool, error) {
	if answer.FunctionError != "" {
		return nil, fmt.Errorf("the function failed: %s", answer.Payload)
	}
	var response struct {
		BatchItemFailures []struct {
			ItemIdentifier *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer.Payload, &response); err != nil {
		return nil, fmt.Errorf("the answer is no partial batch response: %w", err)
	}
	known := map[string]bool{}
	for _, message := range messages {
		known[*message.MessageId] = true
	}
	failed := map[string]bool{}
	for _, f := range response.BatchItemFailures {
		if f.ItemIdentifier == nil || !known[*f.ItemIdentifier] {
			return nil, fmt.Errorf("the answer names a message that is not of the batch: %s", answer.Payload)
		}
		failed[*f.ItemIdentifier] = true
	}
	return failed, nil
}

// asyncTries is how often Lambda delivers an asynchronous event:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html.
// The waits between the tries (1 and 2 minutes) are left out.
const asyncTries = 3

// InvokeAsync delivers an event as EventBridge's invocations are: again after an
// error, and at last to onFailure in the envelope of an on-failure destination.
func InvokeAsync(ctx context.Context, invoker Invoker, payload []byte, onFailure func(envelope []byte) error) error {
	var answer Response
	for range asyncTries {
		var err error
		if answer, err = invoker.Invoke(ctx, payload); err != nil {
			return err
		}
		if answer.FunctionError == "" {
			return nil
		}
	}
	envelope, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": time.Now().UTC().Format(time.RFC3339Nano),
		"requestContext": map[string]any{
			"requestId": requestID(), "functionArn": FunctionARN + ":$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": asyncTries,
		},
		"requestPayload":  json.RawMessage(payload),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": answer.FunctionError},
		"responsePayload": json.RawMessage(answer.Payload),
	})
	if err != nil {
		return err
	}
	return onFailure(envelope)
}
