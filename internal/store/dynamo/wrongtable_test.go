package dynamo_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

// refuses is a DynamoDB that refuses every call that reads.
type refuses struct {
	dynamo.Client
	err error
}

func (r refuses) BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return nil, r.err
}

func (r refuses) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return nil, r.err
}

// TestWhoNamesAnotherTableAsTheLedgerIsToldWhatIsWrongWithIt: the words are DynamoDB's own.
func TestWhoNamesAnotherTableAsTheLedgerIsToldWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		code, message, says string
	}{
		"no table":    {"ResourceNotFoundException", "Requested resource not found", "there is no table orders in this account and region; name the ledger"},
		"no index":    {"ValidationException", "The table does not have the specified index: listed", "the table orders has not all of the indexes lineage, flow and listed; name the ledger"},
		"another key": {"ValidationException", "The provided key element does not match the schema", "the table orders has another key than pk; name the ledger"},
		"an outage":   {"InternalServerError", "Internal server error", "Internal server error"},
	} {
		table := dynamo.New(refuses{err: &smithy.GenericAPIError{Code: tt.code, Message: tt.message}}, "orders")
		_, read := table.Read(t.Context(), "run#1")
		_, list := table.List(t.Context(), store.IndexList, "open", 1)
		for _, err := range []error{read, list} {
			if !errors.As(err, new(*store.UnavailableError)) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("%s: %v, want %q and DynamoDB's words", name, err, tt.says)
			}
		}
	}
}
