package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestAForgedOriginNamesNoDataflow: neither the run's own records nor those of other runs
// of the dataflow have a name that a message has made up.
func TestAForgedOriginNamesNoDataflow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		p := w.Start(-1, false)
		for _, due := range []string{"", `,"due":"1999-12-31T00:00:00Z","failedAt":"1999-12-31T00:00:00Z"`} {
			forged, other := w.Fail("f"), w.Fail("f")
			w.Send(`{"runId":"` + forged + `","orgId":"` + worldOrg + `","sandbox":"prod","flowId":"f","origin":{"flowName":"forged"` + due + `}}`)
			w.Poll(p)
			w.Send(w.nameless(other))
			w.Poll(p)
			for _, id := range []string{forged, other} {
				if ends := w.Logs.Ends(id); len(ends) != 1 || ends[0].FlowName != "f" || w.Entry(id)["flowName"] != "f" {
					t.Errorf("with%s: the records of %s are %+v, the ledger has %v", due, id, ends, w.Entry(id))
				}
			}
		}
	})
}

// TestAForgedMessageIsNotTakenForTheOneThatWaits: the ledger has an entry of a message of
// the run, and a forged one comes first. It changes neither dataflow nor outcome.
func TestAForgedMessageIsNotTakenForTheOneThatWaits(t *testing.T) {
	t.Parallel()
	const origin = `{"due":%q,"failedAt":%q,"createdClient":"x","errors":[{"code":"INGEST-1212-400","message":"forged"}]}`
	for name, first := range map[string]func(w *world) (runID string){
		"it waits for its next attempt": func(w *world) string {
			w.failing(1)
			root := w.Fail("f")
			w.Told(root)
			p := w.Start(-1, false)
			w.Poll(p)
			pass(2 * time.Minute)
			w.Settle()
			w.Poll(p)
			pass(time.Until(w.Next()) - 100*time.Millisecond)
			return w.Adobe.Runs()[len(w.Adobe.Runs())-1].ID
		},
		"it waits in a pause": func(w *world) string {
			run := w.Fail("f")
			w.pausing("pause", "")
			w.Told(run)
			w.Poll(w.Start(-1, false))
			w.pausing("resume", "")
			pass(time.Minute)
			return run
		},
		"it was throttled": func(w *world) string {
			run := w.Fail("f")
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "100"}})
			w.Told(run)
			w.Poll(w.Start(-1, false))
			pass(time.Minute)
			return run
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Flow("another", worldOrg)
				id := first(w)
				at := time.Now().UTC().Add(-time.Second).Format(time.RFC3339)
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","sandbox":"prod","flowId":"another","origin":` + fmt.Sprintf(origin, at, at) + `}`)
				w.Poll(w.Start(-1, false))
				w.Drain(2 * time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 || w.Entry(id)["flowId"] != "f" || w.Entry(id)["errorText"] == "forged" {
					t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
				}
			})
		})
	}
}

// TestAForgedOriginIsNotBelievedAfterAWait: the function itself puts the request on the
// queue again, since it must wait before the run can be read.
func TestAForgedOriginIsNotBelievedAfterAWait(t *testing.T) {
	t.Parallel()
	const origin = `{"failedAt":"2000-01-01T00:00:00Z","createdClient":"x","errors":[{"code":"INGEST-1212-400","message":"forged"}]`
	for name, due := range map[string]string{"without a due time": "", "with a due time": `,"due":"1999-12-31T00:00:00Z"`} {
		for why, wait := range map[string]func(w *world) (end func()){
			"in a pause": func(w *world) func() {
				w.pausing("pause", "")
				return func() { w.pausing("resume", "") }
			},
			"for a credential": func(w *world) func() {
				w.Adobe.RotateSecret(worldOrg, "new")
				return func() { w.Adobe.RotateSecret(worldOrg, "s") }
			},
			"for Adobe": func(w *world) func() {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: http.StatusServiceUnavailable, Times: 7})
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Times: 7})
				return func() {}
			},
		} {
			t.Run(why+", "+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Flow("another", worldOrg)
					id := w.Fail("f")
					end := wait(w)
					w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","sandbox":"prod","flowId":"another","origin":` + origin + due + `}}`)
					w.Drain(20 * time.Hour)
					end()
					w.Drain(20 * time.Hour)
					if n := w.Adobe.Retriggers(id); n != 1 || w.Entry(id)["flowId"] != "f" || w.Entry(id)["errorText"] == "forged" {
						t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
					}
				})
			})
		}
	}
}
