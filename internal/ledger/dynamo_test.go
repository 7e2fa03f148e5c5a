package ledger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// answers is a DynamoDB that answers transactions one after the other: with the
// reasons for which it cancels them, or with success where there are none. Emulators
// give some of these reasons never.
type answers struct {
	ledger.DynamoDB
	all   [][]types.CancellationReason
	calls int
	reads int
}

func (a *answers) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	reasons := a.all[min(a.calls, len(a.all)-1)]
	a.calls++
	if reasons == nil {
		return &dynamodb.TransactWriteItemsOutput{}, nil
	}
	return nil, &types.TransactionCanceledException{CancellationReasons: reasons}
}

// BatchGetItem is for an answer that does not tell the item: it has none.
func (a *answers) BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	a.reads++
	return &dynamodb.BatchGetItemOutput{}, nil
}

func TestATransactionThatIsCanceled(t *testing.T) {
	t.Parallel()
	reason := func(code string) types.CancellationReason { return types.CancellationReason{Code: &code} }
	failed := func(rev string) types.CancellationReason {
		return types.CancellationReason{Code: aws.String("ConditionalCheckFailed"), Item: map[string]types.AttributeValue{
			ledger.AttributeKey: &types.AttributeValueMemberS{Value: "run"}, ledger.AttributeRev: &types.AttributeValueMemberS{Value: rev},
		}}
	}
	full := types.CancellationReason{Code: aws.String("ConditionalCheckFailed"), Item: map[string]types.AttributeValue{
		ledger.AttributeKey: &types.AttributeValueMemberS{Value: "counter"}, ledger.AttributeCount: &types.AttributeValueMemberN{Value: "1"},
	}}
	none := reason("None")
	type reasons = []types.CancellationReason
	for name, tt := range map[string]struct {
		answers      []reasons
		calls, reads int
		conflict     string // the rev that the conflict tells; "-" for none
		unavailable  bool
	}{
		"made before":                      {[]reasons{{failed("new"), full}}, 1, 0, "", false},
		"another is there":                 {[]reasons{{failed("other"), none}}, 1, 0, "other", false},
		"the counter is full":              {[]reasons{{none, full}}, 1, 0, "-", false},
		"it is not told what is there":     {[]reasons{{reason("ConditionalCheckFailed"), none}}, 1, 1, "-", false},
		"another transaction, then made":   {[]reasons{{reason("TransactionConflict"), none}, nil}, 2, 0, "", false},
		"throttled, then made":             {[]reasons{{reason("ThrottlingError"), none}, {none, reason("ProvisionedThroughputExceeded")}, nil}, 3, 0, "", false},
		"another transaction, for ever":    {[]reasons{{reason("TransactionConflict"), none}}, 9, 0, "", true},
		"a conflict beside a transaction":  {[]reasons{{failed("other"), reason("TransactionConflict")}}, 1, 0, "other", false},
		"a reason that is not known":       {[]reasons{{reason("ValidationError"), none}}, 1, 0, "", true},
		"no reason at all":                 {[]reasons{{none, none}}, 1, 0, "", true},
		"reasons of another transaction":   {[]reasons{{none}}, 1, 0, "", true},
		"an item that could not be merged": {[]reasons{{reason("ItemCollectionSizeLimitExceeded"), none}}, 1, 0, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := &answers{all: tt.answers}
				err := ledger.NewTable(client, "ledger").Commit(t.Context(),
					ledger.Write{Key: "run", Old: "old", New: ledger.Record{ledger.AttributeKey: "run", ledger.AttributeRev: "new"}},
					ledger.Write{Key: "counter", Add: 1, Most: 1, New: ledger.Record{ledger.AttributeTTL: "1"}},
				)
				if client.calls != tt.calls || client.reads != tt.reads {
					t.Errorf("%d calls and %d reads, want %d and %d", client.calls, client.reads, tt.calls, tt.reads)
				}
				conflict, conflicts := errors.AsType[*ledger.ConflictError](err)
				if conflicts != (tt.conflict != "") || errors.As(err, new(*ledger.UnavailableError)) != tt.unavailable {
					t.Fatalf("error = %v", err)
				}
				if conflicts && tt.conflict != "-" && conflict.Current["run"][ledger.AttributeRev] != tt.conflict {
					t.Errorf("conflict = %v, want %s", conflict.Current, tt.conflict)
				}
			})
		})
	}
}
