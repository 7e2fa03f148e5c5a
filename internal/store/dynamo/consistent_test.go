package dynamo_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

// reader is a DynamoDB that counts reads, those that may be old by themselves. No emulator
// answers with what is old.
type reader struct {
	dynamo.Client
	calls, old int
}

func (r *reader) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	r.calls++
	for _, asked := range in.RequestItems {
		if !aws.ToBool(asked.ConsistentRead) {
			r.old++
		}
	}
	return &dynamodb.BatchGetItemOutput{}, nil
}

func TestNoReadOfTheLedgerMayBeOld(t *testing.T) {
	t.Parallel()
	client := &reader{}
	if _, err := dynamo.New(client, "ledger").Read(t.Context(), "run", "flow"); err != nil {
		t.Fatal(err)
	}
	if client.calls != 1 || client.old != 0 {
		t.Errorf("%d of %d reads may be old, want none of one", client.old, client.calls)
	}
}
