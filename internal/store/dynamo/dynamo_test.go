package dynamo_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/truora/minidyn/server"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/internal/store/storetest"
)

// answers is a DynamoDB that answers transactions one after the other: with the
// reasons for which it cancels them, or with success where there are none. Emulators
// give some of these reasons never.
type answers struct {
	dynamo.Client
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

func TestCancellationReasonsDecideAboutACommit(t *testing.T) {
	t.Parallel()
	reason := func(code string) types.CancellationReason { return types.CancellationReason{Code: &code} }
	failed := func(rev string) types.CancellationReason {
		return types.CancellationReason{Code: aws.String("ConditionalCheckFailed"), Item: map[string]types.AttributeValue{
			store.AttributeKey: &types.AttributeValueMemberS{Value: "run"}, store.AttributeRev: &types.AttributeValueMemberS{Value: rev},
		}}
	}
	full := types.CancellationReason{Code: aws.String("ConditionalCheckFailed"), Item: map[string]types.AttributeValue{
		store.AttributeKey: &types.AttributeValueMemberS{Value: "counter"}, store.AttributeCount: &types.AttributeValueMemberN{Value: "1"},
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
				err := dynamo.New(client, "ledger").Commit(t.Context(),
					store.Write{Key: "run", Old: "old", New: store.Record{store.AttributeKey: "run", store.AttributeRev: "new"}},
					store.Write{Key: "counter", Add: 1, Most: 1, New: store.Record{store.AttributeTTL: "1"}},
				)
				if client.calls != tt.calls || client.reads != tt.reads {
					t.Errorf("%d calls and %d reads, want %d and %d", client.calls, client.reads, tt.calls, tt.reads)
				}
				conflict, conflicts := errors.AsType[*store.ConflictError](err)
				if conflicts != (tt.conflict != "") || errors.As(err, new(*store.UnavailableError)) != tt.unavailable {
					t.Fatalf("error = %v", err)
				}
				if conflicts && tt.conflict != "-" && conflict.Current["run"][store.AttributeRev] != tt.conflict {
					t.Errorf("conflict = %v, want %s", conflict.Current, tt.conflict)
				}
			})
		})
	}
}

// TestTableKeepsItsContract: This runs on an embedded implementation of DynamoDB. The
// integration suite runs it on DynamoDB Local and moto.
func TestTableKeepsItsContract(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(t *testing.T) store.Table {
		t.Helper()
		endpoint := httptest.NewServer(server.NewServer())
		t.Cleanup(endpoint.Close)
		client := dynamodb.New(dynamodb.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(endpoint.URL), DisableValidateResponseChecksum: true,
			Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("k", "s", "")),
		})
		if _, err := client.CreateTable(context.WithoutCancel(t.Context()), dynamo.Schema("ledger")); err != nil {
			t.Fatal(err)
		}
		return dynamo.New(dated{client, time.Now()}, "ledger")
	}, storetest.UpdatesInIndexes) // the simulated DynamoDB of local/stack mends that
}

// dated is a DynamoDB that knows when its table was made. minidyn does not.
type dated struct {
	*dynamodb.Client
	made time.Time
}

func (d dated) DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, o ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	out, err := d.Client.DescribeTable(ctx, in, o...)
	if err == nil {
		out.Table.CreationDateTime = &d.made
	}
	return out, err
}

// busy is a DynamoDB whose counter is in a transaction for some calls.
type busy struct {
	dynamo.Client
	left, calls int
	err         error // from then on
}

func (b *busy) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	b.calls++
	if b.left--; b.left >= 0 {
		return nil, &types.TransactionConflictException{}
	}
	return &dynamodb.UpdateItemOutput{}, b.err
}

func TestAdditionThatMeetsATransactionIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		client      busy
		calls       int
		added       bool
		unavailable bool
	}{
		"once":                   {busy{left: 1}, 2, true, false},
		"once, then it is full":  {busy{left: 1, err: &types.ConditionalCheckFailedException{}}, 2, false, false},
		"for ever":               {busy{left: 100}, 9, false, true},
		"another error":          {busy{err: &types.ResourceNotFoundException{}}, 1, false, true},
		"nothing stands against": {busy{}, 1, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := tt.client
				added, err := dynamo.New(&client, "ledger").Add(t.Context(), "counter", 1, 1, time.Unix(1, 0))
				if added != tt.added || client.calls != tt.calls || errors.As(err, new(*store.UnavailableError)) != tt.unavailable || tt.unavailable != (err != nil) {
					t.Errorf("added = %t after %d calls, %v", added, client.calls, err)
				}
			})
		})
	}
}
