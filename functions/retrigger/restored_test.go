package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// restored is a table that DynamoDB has made of a backup: it has the items of then, and is born
// now.
func restored(t *testing.T, records []store.Record) *memory.Table {
	t.Helper()
	table := memory.New()
	for _, r := range records {
		if err := table.Commit(t.Context(), store.Write{Key: r[store.AttributeKey], New: r}); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

// TestRestoredLedgerIsSweptFromTheRestorePointOn plays what docs/deploy.md tells people to do.
// The schedule's sweeps look back no further than to the restored table's birth, so a sweep by
// hand that names the restore point finds what failed after it.
func TestRestoredLedgerIsSweptFromTheRestorePointOn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		retry := func(flow string, end flowsim.Result) (id string) {
			w.Flow(flow, worldOrg)
			id = w.Fail(flow)
			pass(time.Second) // the run of the re-trigger is newer
			w.Told(id)
			w.Poll(w.Start(-1, false))
			w.Adobe.End(w.Adobe.MadeOf(id), end)
			return id
		}
		known := retry("known", flowsim.Succeed())
		pass(time.Minute)
		point, backup := time.Now().UTC(), w.Memory.Records()
		pass(time.Minute)
		recovered := retry("recovered", flowsim.Succeed())
		failing := retry("failing", flowsim.Fail("CONNECTOR-1001-500", "again")) // no event told of the end
		untold := w.Fail("f")                                                    // no event told of it
		pass(time.Hour)

		w.Memory = restored(t, backup)
		pass(time.Minute)
		if r := w.sweep(bareSchedule); r.Requested != 0 || r.Since.Before(point.Add(time.Hour)) {
			t.Errorf("the schedule's sweep looks at what failed before the restoring: %+v", r)
		}
		r := w.sweep(`{"sweep":{"since":"` + point.Format(time.RFC3339) + `","orgId":"` + worldOrg + `"}}`)
		if r.Skipped["superseded_by_hand"] != 1 {
			t.Errorf("the sweep from the restore point on is %+v", r)
		}
		w.Drain(time.Hour)
		for id, want := range map[string]int{known: 1, recovered: 1, untold: 1} {
			if n := w.Adobe.Retriggers(id); n != want {
				t.Errorf("%s was re-triggered %d times, want %d", id, n, want)
			}
		}
		if n := w.Adobe.Retriggers(failing); n != 2 {
			t.Errorf("the run whose attempt the ledger has lost was re-triggered %d times, want 2: docs/deploy.md says so", n)
		}
	})
}
