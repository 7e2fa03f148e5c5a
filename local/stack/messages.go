package stack

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// Notices are the events that the function has sent to its bus, where NOTICE_BUS is
// [NoticeBus]; see [Options.Env].
func (s *Stack) Notices() []awssim.Event { return s.buses.EventBuses.Sent(NoticeBus) }

// Send puts a message on the request queue.
func (s *Stack) Send(ctx context.Context, body string) error {
	_, err := s.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.RequestQueueURL, MessageBody: &body})
	return err
}

// SendDeadLetter puts a message on the dead-letter queue, as AWS services do by
// themselves.
func (s *Stack) SendDeadLetter(ctx context.Context, body []byte) error {
	_, err := s.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.DeadLetterQueueURL, MessageBody: aws.String(string(body))})
	return err
}

// Drain delivers the request queue's visible messages to the function until
// there are none, and returns how many were deleted.
func (s *Stack) Drain(ctx context.Context) (deleted int, err error) {
	mapping := lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function}
	for {
		received, done, err := mapping.Poll(ctx, 0)
		deleted += done
		if err != nil || received == 0 {
			return deleted, err
		}
	}
}

// Live sends the event of a failed run, and lets Adobe and the function go on until
// nothing more comes of it: runs end as they are scripted, failures come as
// events, messages wait in real time.
func (s *Stack) Live(ctx context.Context, runID string) error {
	if err := s.Send(ctx, string(s.Adobe.FailureEvent(runID))); err != nil {
		return err
	}
	return s.GoOn(ctx)
}

// GoOn lets Adobe and the function go on until nothing more comes of what is under
// way.
func (s *Stack) GoOn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	mapping := lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function}
	const longPoll, quiet = 1, 2 // seconds; polls: together longer than any wait of the function
	for idle := 0; idle < quiet; {
		received, _, err := mapping.Poll(ctx, longPoll)
		if err != nil {
			return err
		}
		idle++
		for _, r := range s.Adobe.Settle() {
			idle = 0
			if r.Status != flowsim.Failed {
				continue
			}
			if err := s.Send(ctx, string(s.Adobe.FailureEvent(r.ID))); err != nil {
				return err
			}
		}
		if received > 0 {
			idle = 0
		}
	}
	return nil
}

// DeadLetters takes all dead letters off their queue.
func (s *Stack) DeadLetters(ctx context.Context) ([]types.Message, error) {
	var all []types.Message
	for {
		out, err := s.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &s.DeadLetterQueueURL, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		if err != nil || len(out.Messages) == 0 {
			return all, err
		}
		for _, m := range out.Messages {
			if _, err := s.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &s.DeadLetterQueueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return all, err
			}
		}
		all = append(all, out.Messages...)
	}
}
