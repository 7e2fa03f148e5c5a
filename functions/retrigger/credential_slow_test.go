//go:build slow

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestNoRunIsLostWhileTheCredentialIsRefusedForDays: All requests wait, also a run whose
// re-trigger was lost, and SQS moves no message to the dead-letter queue. When the
// credential is valid again, each run is re-triggered once.
func TestNoRunIsLostWhileTheCredentialIsRefusedForDays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.MaxRunAge = 60 * 24 * time.Hour
		w.Flow("g", worldOrg)
		w.Flow("h", worldOrg)
		runs := []string{w.Fail("f"), w.Fail("g"), w.Fail("h")}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable, AfterEffect: true})
		w.Told(runs[0])
		w.Poll(w.Start(-1, false))
		w.Adobe.RotateSecret(worldOrg, "new")
		w.Told(runs[1])
		w.Send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, runs[2], worldOrg))
		w.Send(onlySweep)
		w.Drain(10 * 24 * time.Hour)
		if letters, waiting := len(w.AWS.Messages(w.DeadLetterQueue)), len(w.AWS.Messages(w.Requests)); letters != 0 || waiting != len(runs)+1 {
			t.Fatalf("after ten days there are %d dead letters, and %d messages wait", letters, waiting)
		}
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"new","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Drain(24 * time.Hour)
		w.wantOnce(t, runs)
		if letters := len(w.AWS.Messages(w.DeadLetterQueue)); letters != 0 {
			t.Errorf("%d dead letters", letters)
		}
	})
}

// TestRefusedCredentialWritesNoDeadLetter: However long the credential is refused, runs
// and sweeps wait. When the secret is corrected, all of them go on.
func TestRefusedCredentialWritesNoDeadLetter(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"the gateway refuses the key":     {Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"error_code":"403003","message":"Api Key is invalid"}`},
		"the gateway refuses the profile": {Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"error_code":"403025","message":"Profile is not valid"}`},
		"IMS refuses the scope":           {Op: flowsim.OpToken, Status: http.StatusBadRequest, Body: `{"error":"invalid_scope","error_description":"The requested scope is not assigned to this client"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				fault.Times = 1 << 30
				for _, op := range []string{flowsim.OpRun, flowsim.OpRuns, flowsim.OpFlow, flowsim.OpFlows} {
					if fault.Op == flowsim.OpRetrigger {
						every := fault
						every.Op = op
						w.Adobe.Inject(every)
					}
				}
				w.Adobe.Inject(fault)
				ids := w.backlog(3, 3)
				w.tellAll(ids[:2])
				w.Send(`{"sweep":{"since":"24h","orgId":"` + worldOrg + `","sandbox":"prod"}}`)
				w.Drain(3 * 24 * time.Hour)
				if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 || len(w.sent()) != 0 && fault.Op == flowsim.OpToken {
					t.Errorf("%d dead letters: %v", n, w.reasons())
				}
				if w.Logs.Sum("credentials_refused") == 0 {
					t.Error("no metric says that the credential is refused")
				}
				w.Adobe.Heal()
				w.Drain(24 * time.Hour)
				w.wantOnce(t, ids)
			})
		})
	}
}
