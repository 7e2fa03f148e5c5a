// Package dynamo is a table on DynamoDB.
package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Client is the part of the AWS client that a [Table] uses.
type Client interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// Table is a [store.Table] on a DynamoDB table: see [Schema].
type Table struct {
	client Client
	name   string
}

var _ store.Table = (*Table)(nil)

// New returns the Table with the given name.
func New(client Client, name string) *Table { return &Table{client: client, name: name} }

// Schema is the table as template.yaml makes it: one key, and an index for each order
// in which people read. For tests and the embedded default.
func Schema(name string) *dynamodb.CreateTableInput {
	text := func(names ...string) (definitions []types.AttributeDefinition) {
		for _, n := range names {
			definitions = append(definitions, types.AttributeDefinition{AttributeName: aws.String(n), AttributeType: types.ScalarAttributeTypeS})
		}
		return definitions
	}
	index := func(name string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName: aws.String(name),
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(name), KeyType: types.KeyTypeHash}, {AttributeName: aws.String(store.AttributeAt), KeyType: types.KeyTypeRange},
			},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions:   text(store.AttributeKey, store.IndexLineage, store.IndexFlow, store.IndexList, store.AttributeAt),
		KeySchema:              []types.KeySchemaElement{{AttributeName: aws.String(store.AttributeKey), KeyType: types.KeyTypeHash}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{index(store.IndexLineage), index(store.IndexFlow), index(store.IndexList)},
	}
}

// maxRead is how many keys one BatchGetItem may have.
const maxRead = 100

// Read implements [store.Table] with strongly consistent reads.
func (t *Table) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	if err := store.CheckKeys(keys); err != nil {
		return nil, err
	}
	var found []store.Record
	pending := make([]map[string]types.AttributeValue, len(keys))
	for i, key := range keys {
		pending[i] = map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: key}}
	}
	for try := 0; len(pending) > 0; try++ {
		now := pending[:min(len(pending), maxRead)]
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.name: {Keys: now, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return nil, t.unavailable("read", err)
		}
		for _, item := range out.Responses[t.name] {
			found = append(found, fromItem(item))
		}
		unprocessed := out.UnprocessedKeys[t.name].Keys
		pending = append(unprocessed, pending[len(now):]...)
		if len(unprocessed) == 0 {
			continue
		}
		if try == maxConflicts {
			return nil, &store.UnavailableError{Op: "read", Err: errors.New("DynamoDB left keys unprocessed")}
		}
		if err := pause(ctx, try); err != nil {
			return nil, t.unavailable("read", err)
		}
	}
	return found, nil
}

// maxConflicts is how often a transaction that met another one is sent again.
const maxConflicts = 8

// Commit implements [store.Table] with one transaction. One that meets another
// transaction on the same items is sent again after a short wait with jitter.
func (t *Table) Commit(ctx context.Context, writes ...store.Write) error {
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	items := make([]types.TransactWriteItem, len(writes))
	for i, w := range writes {
		items[i] = t.write(w)
	}
	for try := 0; ; try++ {
		_, err := t.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
		if err == nil {
			return nil
		}
		canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok || len(canceled.CancellationReasons) != len(writes) {
			return t.unavailable("commit", err)
		}
		conflict, again, failed := t.conflict(ctx, writes, canceled.CancellationReasons)
		switch {
		case failed != nil:
			return failed
		case conflict != nil && store.Made(writes, conflict):
			return nil
		case conflict != nil:
			return conflict
		case !again || try == maxConflicts:
			return t.unavailable("commit", err)
		}
		if err := pause(ctx, try); err != nil {
			return t.unavailable("commit", err)
		}
	}
}

// pause waits with full jitter, up to 20 ms and doubling, at most half a second.
func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(rand.N(min(20*time.Millisecond<<try, 500*time.Millisecond))) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *Table) write(w store.Write) types.TransactWriteItem {
	switch {
	case w.Add != 0:
		return types.TransactWriteItem{Update: t.add(w)}
	case len(w.Sums) > 0:
		return types.TransactWriteItem{Update: t.sum(w)}
	}
	condition, names, values := "attribute_not_exists(#key)", map[string]string{"#key": store.AttributeKey}, map[string]types.AttributeValue(nil)
	if w.Old != "" {
		condition, names = "#rev = :rev", map[string]string{"#rev": store.AttributeRev}
		values = map[string]types.AttributeValue{":rev": &types.AttributeValueMemberS{Value: w.Old}}
	}
	if w.Check {
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &t.name, Key: map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: w.Key}},
			ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}}
	}
	if w.New == nil {
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &t.name, Key: map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: w.Key}},
			ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}}
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &t.name, Item: toItem(w.New),
		ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// add is the write of a counter.
func (t *Table) add(w store.Write) *types.Update {
	numeral := func(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }
	update := &types.Update{
		TableName: &t.name, Key: map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: w.Key}},
		UpdateExpression:          aws.String("SET #ttl = :ttl ADD #n :add"),
		ExpressionAttributeNames:  map[string]string{"#n": store.AttributeCount, "#ttl": store.AttributeTTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{":add": numeral(strconv.Itoa(w.Add)), ":ttl": numeral(w.New[store.AttributeTTL])},
	}
	if w.Add > 0 && w.Most > 0 {
		update.ConditionExpression = aws.String("attribute_not_exists(#n) OR #n <= :left")
		if w.Add > w.Most { // too many for a counter that does not exist, too
			update.ConditionExpression = aws.String("#n <= :left")
		}
		update.ExpressionAttributeValues[":left"] = numeral(strconv.Itoa(w.Most - w.Add))
		update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	return update
}

// sum is the write of sums: names and values are numbered, since any word may be one that
// DynamoDB reserves.
func (t *Table) sum(w store.Write) *types.Update {
	names, values := map[string]string{}, map[string]types.AttributeValue{}
	var set, add []string
	for _, name := range slices.Sorted(maps.Keys(w.New)) {
		n := strconv.Itoa(len(names))
		names["#"+n], values[":"+n] = name, attribute(name, w.New[name])
		set = append(set, "#"+n+" = :"+n)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Sums)) {
		n := strconv.Itoa(len(names))
		names["#"+n], values[":"+n] = name, &types.AttributeValueMemberN{Value: strconv.Itoa(w.Sums[name])}
		add = append(add, "#"+n+" :"+n)
	}
	expression := "ADD " + strings.Join(add, ", ")
	if len(set) > 0 {
		expression = "SET " + strings.Join(set, ", ") + " " + expression
	}
	return &types.Update{
		TableName: &t.name, Key: map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: w.Key}},
		UpdateExpression: &expression, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}
}

// Add implements [store.Table] with a plain update. One that meets a transaction on the
// counter is sent again after a short wait with jitter.
func (t *Table) Add(ctx context.Context, key string, n, most int, ttl time.Time) (added bool, err error) {
	update := t.add(store.Write{Key: key, Add: n, Most: most, New: store.Record{store.AttributeTTL: store.TTL(ttl)}})
	for try := 0; ; try++ {
		_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: update.TableName, Key: update.Key, UpdateExpression: update.UpdateExpression, ConditionExpression: update.ConditionExpression,
			ExpressionAttributeNames: update.ExpressionAttributeNames, ExpressionAttributeValues: update.ExpressionAttributeValues,
		})
		switch {
		case err == nil:
			return true, nil
		case errors.As(err, new(*types.ConditionalCheckFailedException)):
			return false, nil
		case !errors.As(err, new(*types.TransactionConflictException)) || try == maxConflicts:
			return false, t.unavailable("add", err)
		}
		if err := pause(ctx, try); err != nil {
			return false, t.unavailable("add", err)
		}
	}
}

// conflict reads why a transaction was canceled: because items are not as
// expected, or because it is to be tried again. DynamoDB tells the items; where
// an emulator does not, they are read.
func (t *Table) conflict(ctx context.Context, writes []store.Write, reasons []types.CancellationReason) (conflict *store.ConflictError, again bool, err error) {
	current := map[string]store.Record{}
	var unknown []string
	for i, reason := range reasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			current[writes[i].Key] = nil
			if reason.Item != nil {
				current[writes[i].Key] = fromItem(reason.Item)
			} else {
				unknown = append(unknown, writes[i].Key)
			}
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			again = true
		case "None", "":
		default:
			return nil, false, &store.UnavailableError{Op: "commit", Err: fmt.Errorf("%s: %s", aws.ToString(reason.Code), aws.ToString(reason.Message))}
		}
	}
	if len(unknown) > 0 {
		found, err := t.Read(ctx, unknown...)
		if err != nil {
			return nil, false, err
		}
		for _, r := range found {
			current[r[store.AttributeKey]] = r
		}
	}
	if len(current) > 0 {
		return &store.ConflictError{Current: current}, false, nil
	}
	return nil, again, nil
}

// List implements [store.Table].
func (t *Table) List(ctx context.Context, index, value string, limit int) ([]store.Record, error) {
	return t.query(ctx, dynamodb.QueryInput{
		TableName: &t.name, IndexName: &index, KeyConditionExpression: aws.String("#value = :value"),
		ExpressionAttributeNames:  map[string]string{"#value": index},
		ExpressionAttributeValues: map[string]types.AttributeValue{":value": &types.AttributeValueMemberS{Value: value}},
		ScanIndexForward:          aws.Bool(false),
	}, limit)
}

// ListFrom implements [store.Table].
func (t *Table) ListFrom(ctx context.Context, index, value, after string, limit int) ([]store.Record, error) {
	return t.query(ctx, dynamodb.QueryInput{
		TableName: &t.name, IndexName: &index, KeyConditionExpression: aws.String("#value = :value AND #at > :after"),
		ExpressionAttributeNames: map[string]string{"#value": index, "#at": store.AttributeAt},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":value": &types.AttributeValueMemberS{Value: value}, ":after": &types.AttributeValueMemberS{Value: cmp.Or(after, " ")}, // a key is never empty
		},
	}, limit)
}

// query returns at most limit records of a query, however many calls they take.
func (t *Table) query(ctx context.Context, q dynamodb.QueryInput, limit int) ([]store.Record, error) {
	var found []store.Record
	for {
		q.Limit = aws.Int32(int32(min(limit-len(found), 1000))) //nolint:gosec // it is small
		out, err := t.client.Query(ctx, &q)
		if err != nil {
			return nil, t.unavailable("list", err)
		}
		for _, item := range out.Items {
			found = append(found, fromItem(item))
		}
		if q.ExclusiveStartKey = out.LastEvaluatedKey; q.ExclusiveStartKey == nil || len(found) >= limit {
			return found[:min(limit, len(found))], nil
		}
	}
}

// Born implements [store.Table] by what DynamoDB says of the table:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html.
// Where the function may not ask, the error names the permission.
func (t *Table) Born(ctx context.Context) (time.Time, error) {
	out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	switch refusal, ok := errors.AsType[smithy.APIError](err); {
	case ok && refusal.ErrorCode() == "AccessDeniedException":
		return time.Time{}, &store.UnavailableError{Op: "describe", Err: fmt.Errorf("give the function's role the permission dynamodb:DescribeTable on the table: %w", err)}
	case err != nil:
		return time.Time{}, t.unavailable("describe", err)
	case out.Table == nil || out.Table.CreationDateTime == nil:
		return time.Time{}, &store.UnavailableError{Op: "describe", Err: errors.New("DynamoDB does not say when the table was made")}
	}
	return out.Table.CreationDateTime.UTC(), nil
}

func toItem(r store.Record) map[string]types.AttributeValue {
	item := make(map[string]types.AttributeValue, len(r))
	for name, value := range r {
		item[name] = attribute(name, value)
	}
	return item
}

func attribute(name, value string) types.AttributeValue {
	if name == store.AttributeTTL || name == store.AttributeCount {
		return &types.AttributeValueMemberN{Value: value}
	}
	return &types.AttributeValueMemberS{Value: value}
}

func fromItem(item map[string]types.AttributeValue) store.Record {
	r := make(store.Record, len(item))
	for name, value := range item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			r[name] = v.Value
		case *types.AttributeValueMemberN:
			r[name] = v.Value
		}
	}
	return r
}
