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
		if letters := w.AWS.Messages(w.DeadLetterQueue); len(letters) != 0 {
			t.Errorf("the dead letters are %+v", letters)
		}
	})
}
