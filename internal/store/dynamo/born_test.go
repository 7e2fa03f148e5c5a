package dynamo_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
)

// describes is a DynamoDB that answers DescribeTable.
type describes struct {
	dynamo.Client
	table *types.TableDescription
	err   error
}

func (d describes) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return &dynamodb.DescribeTableOutput{Table: d.table}, d.err
}

func TestWhoCanNotAskWhenTheTableWasMadeIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		client describes
		says   string // empty for no error
	}{
		"an answer":       {describes{table: &types.TableDescription{CreationDateTime: &at}}, ""},
		"no permission":   {describes{err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"}}, "give the function's role the permission dynamodb:DescribeTable on the table"},
		"an outage":       {describes{err: errors.New("connection reset")}, "connection reset"},
		"a table undated": {describes{table: &types.TableDescription{TableName: aws.String("ledger")}}, "does not say when the table was made"},
	} {
		born, err := dynamo.New(tt.client, "ledger").Born(t.Context())
		if tt.says == "" {
			if err != nil || !born.Equal(at) {
				t.Errorf("%s: %s, %v", name, born, err)
			}
			continue
		}
		if !errors.As(err, new(*store.UnavailableError)) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}
