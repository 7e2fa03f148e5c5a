package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// TestStackIsUsedByWhatItTellsOfItself uses nothing but what the stack's file has: as the
// command does, which finds the stack by it.
func TestStackIsUsedByWhatItTellsOfItself(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	s.AddFailedRun("a-run", "a-flow", stack.OrgID, stack.Sandbox)
	file := stack.Describe(s)
	config := aws.Config{Region: file.Region, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	functions := lambda.NewFromConfig(config, func(o *lambda.Options) { o.BaseEndpoint = aws.String(file.Endpoints["lambda"]) })
	queues := sqs.NewFromConfig(config, func(o *sqs.Options) { o.BaseEndpoint = aws.String(file.Endpoints["sqs"]) })

	answer, err := functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(file.Outputs["FunctionName"]), Payload: []byte(`{"runId":"a-run"}`)})
	if err != nil || answer.FunctionError != nil || !strings.Contains(string(answer.Payload), `"outcome":"retriggered"`) {
		t.Errorf("%s, %v", answer.Payload, err)
	}
	answer, err = functions.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(file.Outputs["FunctionArn"]), InvocationType: types.InvocationTypeDryRun, Payload: []byte(`{"runId":"a-run"}`),
	})
	if err != nil || answer.StatusCode != 204 {
		t.Errorf("a dry run: %v, %v", answer, err)
	}
	for url, arn := range map[string]string{"QueueUrl": "QueueArn", "DeadLetterQueueUrl": "DeadLetterQueueArn"} {
		out, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(file.Outputs[url]), AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		if err != nil || out.Attributes["QueueArn"] != file.Outputs[arn] || out.Attributes["ApproximateNumberOfMessages"] != "0" {
			t.Errorf("%s: %v, %v", url, out, err)
		}
	}
	if !strings.HasPrefix(file.Outputs["LedgerTable"], stack.LedgerTable) {
		t.Errorf("the table is %q", file.Outputs["LedgerTable"])
	}
}
