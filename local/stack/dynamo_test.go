package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/truora/minidyn/server"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/internal/store/storetest"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// simulated is a client of the simulated DynamoDB, with an empty table.
func simulated(t *testing.T) *dynamodb.Client {
	t.Helper()
	return clientOf(t, &simulatedDynamo{Server: server.NewServer()})
}

func clientOf(t *testing.T, d *simulatedDynamo) *dynamodb.Client {
	t.Helper()
	base, stop, err := loopback.Serve(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &base, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
	if _, err := client.CreateTable(t.Context(), dynamo.Schema("ledger")); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSimulatedDynamoDBIsATable(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(t *testing.T) store.Table {
		t.Helper()
		return dynamo.New(simulated(t), "ledger")
	})
}

func attributes(key, text string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: key}, "x": &types.AttributeValueMemberS{Value: text}}
}

func keys(names ...string) (all []map[string]types.AttributeValue) {
	for _, name := range names {
		all = append(all, map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: name}})
	}
	return all
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("n", i)
	}
	return names
}

func TestSimulatedDynamoDBRefusesWhatDynamoDBRefuses(t *testing.T) {
	t.Parallel()
	client := simulated(t)
	table := aws.String("ledger")
	get := func(names ...string) error {
		_, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*table: {Keys: keys(names...)}}})
		return err
	}
	transact := func(text string, names ...string) error {
		var items []types.TransactWriteItem
		for _, name := range names {
			items = append(items, types.TransactWriteItem{Put: &types.Put{TableName: table, Item: attributes(name, text)}})
		}
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
		return err
	}
	room := maxItem - len(store.AttributeKey) - len("k") - len("x")
	fits, large := strings.Repeat("x", room), strings.Repeat("x", room+1)
	for name, tt := range map[string]struct {
		err  error
		code string // empty for none
	}{
		"keys that differ":     {get("a", "b"), ""},
		"a key twice":          {get("a", "b", "a"), "ValidationException"},
		"100 keys":             {get(numbered(100)...), ""},
		"101 keys":             {get(numbered(101)...), "ValidationException"},
		"a transaction of 100": {transact("x", numbered(100)...), ""},
		"a transaction of 101": {transact("x", numbered(101)...), "ValidationException"},
		"an item twice":        {transact("x", "a", "a"), "ValidationException"},
		"the largest item":     {transact(fits, "k"), ""},
		"a larger item":        {transact(large, "k"), "TransactionCanceledException"},
	} {
		answer, _ := errors.AsType[smithy.APIError](tt.err)
		switch {
		case tt.code == "" && tt.err != nil, tt.code != "" && answer == nil, tt.code != "" && answer.ErrorCode() != tt.code:
			t.Errorf("%s: %v, want %q", name, tt.err, tt.code)
		}
	}
	canceled, ok := errors.AsType[*types.TransactionCanceledException](transact(large, "k"))
	if !ok || len(canceled.CancellationReasons) != 1 || aws.ToString(canceled.CancellationReasons[0].Code) != "ValidationError" {
		t.Errorf("the transaction with a large item is canceled with %+v", canceled)
	}
	_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: table, Item: attributes("a", "x")}}, {Delete: &types.Delete{TableName: table, Key: keys("a")[0]}},
	}})
	if answer, _ := errors.AsType[smithy.APIError](err); answer == nil || answer.ErrorCode() != "ValidationException" {
		t.Errorf("a put and a delete of one item: %v", err)
	}
}

// TestOverlappingTransactionsAreCanceled: While a transaction is under way, a transaction
// that shares an item with it is canceled, and a plain write of such an item is refused.
// Other writes go through, and all go through when the transaction has ended.
func TestOverlappingTransactionsAreCanceled(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	client := clientOf(t, &simulatedDynamo{Server: server.NewServer(), begun: func(op string) {
		if op == "TransactWriteItems" && held.CompareAndSwap(false, true) {
			close(begun)
			<-goOn
		}
	}})
	table := aws.String("ledger")
	transact := func(names ...string) error {
		var items []types.TransactWriteItem
		for _, name := range names {
			items = append(items, types.TransactWriteItem{Put: &types.Put{TableName: table, Item: attributes(name, "x")}})
		}
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
		return err
	}
	update := func(name string) error {
		_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: table, Key: keys(name)[0], UpdateExpression: aws.String("ADD n :one"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
		})
		return err
	}
	first := make(chan error, 1)
	go func() { first <- transact("a", "b") }()
	<-begun
	canceled, ok := errors.AsType[*types.TransactionCanceledException](transact("c", "b", "d"))
	var codes []string
	if ok {
		for _, r := range canceled.CancellationReasons {
			codes = append(codes, aws.ToString(r.Code))
		}
	}
	if want := []string{"None", "TransactionConflict", "None"}; !slices.Equal(codes, want) {
		t.Errorf("the second transaction is canceled with %v, want %v", codes, want)
	}
	if err := update("a"); !errors.As(err, new(*types.TransactionConflictException)) {
		t.Errorf("an update of an item in a transaction: %v", err)
	}
	if err := errors.Join(transact("c", "d"), update("e")); err != nil {
		t.Errorf("writes of other items: %v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Errorf("the first transaction: %v", err)
	}
	if err := errors.Join(transact("b", "c"), update("a")); err != nil {
		t.Errorf("after the first transaction: %v", err)
	}
}
