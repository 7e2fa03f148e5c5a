package requestqueue

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/pkg/dialahead"
)

// Connect opens a connection to SQS for the client's next call. Nothing is sent over it: the
// call that it begins, which would only read, is given up when the connection is there.
func Connect(ctx context.Context, client *sqs.Client, queueURL string) error {
	_, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queueURL}, func(o *sqs.Options) {
		o.HTTPClient, o.Retryer = dialahead.Refuser{Client: o.HTTPClient}, aws.NopRetryer{}
	})
	if errors.Is(err, dialahead.ErrNothingSent) {
		return nil
	}
	return err
}
