//go:build slow

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// TestSweepGoesOnAfterTheSecretIsRotated: The token expires in the middle of the sweep.
func TestSweepGoesOnAfterTheSecretIsRotated(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(600, 5)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		if r.State != sweep.Continues {
			t.Fatalf("the report is %+v", r)
		}
		w.Adobe.RotateSecret(worldOrg, "rotated")
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"rotated","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Drain(5 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestSweepEndsAfterTenTriesWithAnUnreadableSecret: The sweep becomes a dead letter, and
// the metric counts each try.
func TestSweepEndsAfterTenTriesWithAnUnreadableSecret(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.PutSecret("secret-V", "no credential")
		w.AWS.PutSecret("secret-W", "no credential")
		r := w.sweep(bareSchedule)
		if r.State != sweep.Continues || !strings.Contains(r.Error, "is not a JSON object") || r.Since.IsZero() || r.Until.Sub(r.Since) != 24*time.Hour+2*time.Minute {
			t.Errorf("the report is %+v", r)
		}
		w.Drain(24 * time.Hour)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" || strings.Contains(letters[0].Body, "24h") {
			t.Fatalf("the dead letters are %+v", letters)
		}
		if n := w.Logs.Sum("credentials_unavailable"); n != 10 {
			t.Errorf("the metric credentials_unavailable counts %d, want 10", n)
		}
	})
}

// TestSweepReportsARefusedCredential: The report and the metric show it, and so does the
// answer to a dry run.
func TestSweepReportsARefusedCredential(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"wrong","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		if r := w.sweep(bareSchedule); r.State != sweep.Continues || r.Pages != 1 || !strings.Contains(r.Error, "refuse") {
			t.Errorf("the report is %+v", r)
		}
		if n := w.Logs.Sum("credentials_refused"); n != 1 {
			t.Errorf("the metric credentials_refused counts %d, want 1", n)
		}
		r := w.sweep(`{"sweep":{"dryRun":true}}`)
		if r.State != sweep.CutOff || r.Pages != 1 || len(r.Failures) != 1 || r.Failures[0].OrgID != worldOrg || !strings.Contains(r.Error, "refuse") {
			t.Errorf("the report of a dry run is %+v", r)
		}
	})
}
