package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// TestUnreadableSecretDoesNotStopTheSweepOfOtherOrgs: The sweep reads the secret again
// later.
func TestUnreadableSecretDoesNotStopTheSweepOfOtherOrgs(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Flow("other", worldOther)
		first, second := w.Fail("f"), w.Fail("other")
		pass(time.Minute)
		w.AWS.PutSecret("secret-V", "no credential")
		if r := w.sweep(`{"sweep":{"orgId":"` + worldOther + `"}}`); r.State != sweep.Continues || !strings.Contains(r.Error, "secret-V") {
			t.Errorf("a sweep of that org: %+v", r)
		}
		if r := w.sweep(bareSchedule); r.State != sweep.Continues || r.Requested != 1 || !strings.Contains(r.Error, "secret-V") {
			t.Errorf("the report is %+v", r)
		}
		if r := w.sweep(`{"sweep":{"dryRun":true}}`); r.State != sweep.CutOff || r.Failed != 1 || len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, "secret-V") {
			t.Errorf("the report of a dry run is %+v", r)
		}
		if r := w.sweep(`{"sweep":{"dryRun":true,"orgId":"` + worldOrg + `"}}`); r.State != sweep.Finished || r.Failed != 1 {
			t.Errorf("the report of a dry run of the other org is %+v", r)
		}
		w.AWS.PutSecret("secret-V", fmt.Sprintf(`{"client_id":"client-V","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOther))
		w.Drain(time.Hour)
		w.wantOnce(t, []string{first, second})
		if letters := w.AWS.Messages(w.Letters); len(letters) != 0 {
			t.Errorf("the dead letters are %+v", letters)
		}
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
		letters := w.AWS.Messages(w.Letters)
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
