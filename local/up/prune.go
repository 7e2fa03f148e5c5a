package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// keptLong is a time to live that is not pruned: of the sums of days, which are few.
const keptLong = 100 * 24 * time.Hour

// pruner deletes what DynamoDB would delete by its time to live, faster than life as all
// else: an item with a time to live that was not written for as long as [memory].
type pruner struct {
	stack *stack.Stack
	table string
	seen  map[string]seen // by key
}

// seen is when an item was seen first with a time to live.
type seen struct {
	ttl string
	at  time.Time
}

func newPruner(s *stack.Stack) *pruner {
	return &pruner{stack: s, table: stack.Describe(s).Outputs["LedgerTable"], seen: map[string]seen{}}
}

// prune deletes what is old.
func (p *pruner) prune(ctx context.Context, now time.Time) error {
	there := map[string]seen{}
	pages := dynamodb.NewScanPaginator(p.stack.DynamoDB, &dynamodb.ScanInput{TableName: &p.table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("scan the ledger: %w", err)
		}
		for _, item := range page.Items {
			key, _ := item[store.AttributeKey].(*types.AttributeValueMemberS)
			ttl, _ := item[store.AttributeTTL].(*types.AttributeValueMemberN)
			if key == nil || ttl == nil {
				continue
			}
			one := p.seen[key.Value]
			if one.ttl != ttl.Value {
				one = seen{ttl.Value, now}
			}
			if !old(one, now) {
				there[key.Value] = one
				continue
			}
			if err := p.remove(ctx, key.Value, ttl.Value); err != nil {
				return err
			}
		}
	}
	p.seen = there
	return nil
}

// old reports whether an item goes.
func old(s seen, now time.Time) bool {
	seconds, err := strconv.ParseInt(s.ttl, 10, 64)
	return err == nil && now.Sub(s.at) >= memory && time.Unix(seconds, 0).Before(now.Add(keptLong))
}

// remove deletes an item, unless it has been written meanwhile.
func (p *pruner) remove(ctx context.Context, key, ttl string) error {
	_, err := p.stack.DynamoDB.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &p.table, Key: map[string]types.AttributeValue{store.AttributeKey: &types.AttributeValueMemberS{Value: key}},
		ConditionExpression: aws.String("#ttl = :ttl"), ExpressionAttributeNames: map[string]string{"#ttl": store.AttributeTTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{":ttl": &types.AttributeValueMemberN{Value: ttl}},
	})
	if err != nil {
		return fmt.Errorf("delete %s of the ledger: %w", key, err)
	}
	return nil
}

// letters counts the messages on the dead-letter queue. SQS deletes the old ones as it is
// asked.
func (p *pruner) letters(ctx context.Context) (n int, err error) {
	out, err := p.stack.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &p.stack.DeadLetterQueueURL, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		return 0, fmt.Errorf("count the dead letters: %w", err)
	}
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		count, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			return 0, err
		}
		n += count
	}
	return n, nil
}
