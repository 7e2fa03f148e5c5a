package integration

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/dynamo"
	"github.com/aep-retrigger/aep-retrigger/internal/store/storetest"
	"github.com/aep-retrigger/aep-retrigger/local/scenario"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// TestLedgerStoresKeepTheirContract: This runs on each implementation of DynamoDB.
func TestLedgerStoresKeepTheirContract(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		client := start(t, b).DynamoDB
		storetest.Test(t, func(t *testing.T) store.Table {
			t.Helper()
			name := "ledger-" + rand.Text()
			if _, err := client.CreateTable(context.WithoutCancel(t.Context()), dynamo.Schema(name)); err != nil {
				t.Fatal(err)
			}
			return dynamo.New(client, name)
		})
	})
}

// TestLineagesOfSeveralAttemptsAreInTheLedger: The lineages are played in real time and
// read from the ledger.
func TestLineagesOfSeveralAttemptsAreInTheLedger(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b, env(scenario.LineageDelays()...))
		for _, step := range scenario.Lineages() {
			if _, err := step.Play(t.Context(), s); err != nil {
				t.Errorf("%s: %v", step.Name, err)
			}
		}
		lineage, err := s.Ledger.OfLineage(t.Context(), stack.OrgID, "hopeless", 10)
		if err != nil || len(lineage) != 4 {
			t.Fatalf("the lineage is %+v, %v; want 4 runs", lineage, err)
		}
		for i, r := range lineage { // the newest first
			if r.Attempt != 3-i || r.Root != "hopeless" || i > 0 && lineage[i-1].Parent != r.RunID {
				t.Errorf("run %d is %+v", i, r)
			}
		}
		if first := lineage[3]; time.Since(first.FirstSeen) > time.Minute || first.State != ledger.Retriggered || lineage[0].State != ledger.DeadLettered {
			t.Errorf("the lineage is %+v", lineage)
		}
		if letters := deadLetters(t, s); len(letters) != 1 {
			t.Errorf("%d dead letters, want 1", len(letters))
		}
	})
}
