package ledger_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/truora/minidyn/server"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger/contract"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	contract.Test(t, func(*testing.T) ledger.Store { return ledger.NewMemory() })
}

// TestTable runs the contract on an embedded implementation of DynamoDB; the
// integration suite runs it on DynamoDB Local and moto.
func TestTable(t *testing.T) {
	t.Parallel()
	contract.Test(t, func(t *testing.T) ledger.Store {
		t.Helper()
		endpoint := httptest.NewServer(server.NewServer())
		t.Cleanup(endpoint.Close)
		client := dynamodb.New(dynamodb.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(endpoint.URL), DisableValidateResponseChecksum: true,
			Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("k", "s", "")),
		})
		if _, err := client.CreateTable(context.WithoutCancel(t.Context()), ledger.Schema("ledger")); err != nil {
			t.Fatal(err)
		}
		return ledger.NewTable(client, "ledger")
	})
}
