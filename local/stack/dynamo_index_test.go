package stack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

func TestAnIndexIsReadPageByPage(t *testing.T) {
	t.Parallel()
	client := simulated(t)
	table := dynamo.New(client, "ledger")
	for i := range 5 {
		at := fmt.Sprint("2026-01-0", min(i, 3)) // the last two at one time
		err := table.Commit(t.Context(), store.Write{Key: fmt.Sprint("k", i), New: store.Record{
			store.AttributeKey: fmt.Sprint("k", i), store.AttributeRev: "1", store.IndexList: "l", store.AttributeAt: at,
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		condition string
		backward  bool
		want      string
	}{
		{"#l = :l", false, "[k0 k1][k2 k3][k4]"},
		{"#l = :l", true, "[k4 k3][k2 k1][k0]"},
		{"#l = :l AND #at >= :at", false, "[k2 k3][k4]"},
		{"#l = :l AND #at > :at", false, "[k3 k4]"},
		{"#l = :l AND #at <= :at", true, "[k2 k1][k0]"},
		{"#l = :l AND #at < :at", false, "[k0 k1]"},
	} {
		var pages []string
		in := &dynamodb.QueryInput{
			TableName: aws.String("ledger"), IndexName: aws.String(store.IndexList), KeyConditionExpression: &tt.condition, Limit: aws.Int32(2), ScanIndexForward: aws.Bool(!tt.backward),
			ExpressionAttributeNames: map[string]string{"#l": store.IndexList, "#at": store.AttributeAt},
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":l": &types.AttributeValueMemberS{Value: "l"}, ":at": &types.AttributeValueMemberS{Value: "2026-01-02"},
			},
		}
		for {
			out, err := client.Query(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			var page []string
			for _, i := range out.Items {
				key, _ := i[store.AttributeKey].(*types.AttributeValueMemberS)
				page = append(page, key.Value)
			}
			pages = append(pages, fmt.Sprint(page))
			if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				break
			}
		}
		if got := strings.Join(pages, ""); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.condition, got, tt.want)
		}
	}
}
