package ledger_test

import (
	"context"
	"errors"
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

// TestACommitOfSeveralItemsThatIsSentAgain counts as made if all of them are as it
// writes them.
func TestACommitOfSeveralItemsThatIsSentAgain(t *testing.T) {
	t.Parallel()
	memory := ledger.NewMemory()
	record := func(key, rev string) ledger.Record {
		return ledger.Record{ledger.AttributeKey: key, ledger.AttributeRev: rev}
	}
	writes := []ledger.Write{{Key: "made", New: record("made", "1")}, {Key: "gone", Old: "1"}, {Key: "changed", Old: "1", New: record("changed", "2")}}
	for i, step := range [][]ledger.Write{{{Key: "gone", New: record("gone", "1")}, {Key: "changed", New: record("changed", "1")}}, writes, writes, writes} {
		if err := memory.Commit(t.Context(), step...); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	if err := memory.Commit(t.Context(), ledger.Write{Key: "changed", Old: "2", New: record("changed", "3")}); err != nil {
		t.Fatal(err)
	}
	if err := memory.Commit(t.Context(), writes...); !errors.As(err, new(*ledger.ConflictError)) {
		t.Errorf("when one item has changed since: error = %v, want a conflict", err)
	}
}
