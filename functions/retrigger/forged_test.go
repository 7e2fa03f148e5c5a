package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestForgedOriginCannotRenameADataflow: The name from a forged message stands neither in
// the records of its run nor in those of other runs of the dataflow.
func TestForgedOriginCannotRenameADataflow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		p := w.Start(-1, false)
		for _, due := range []string{"", `,"due":"1999-12-31T00:00:00Z","failedAt":"1999-12-31T00:00:00Z"`} {
			forged, other := w.Fail("f"), w.Fail("f")
			w.Send(`{"runId":"` + forged + `","orgId":"` + worldOrg + `","sandbox":"prod","flowId":"f","origin":{"flowName":"forged"` + due + `}}`)
			w.Poll(p)
			w.Send(nameless(w, other))
			w.Poll(p)
			for _, id := range []string{forged, other} {
				if ends := w.Logs.Ends(id); len(ends) != 1 || ends[0].FlowName != "f" || w.Entry(id)["flowName"] != "f" {
					t.Errorf("with%s: the records of %s are %+v, the ledger has %v", due, id, ends, w.Entry(id))
				}
			}
		}
	})
}

// TestForgedMessageDoesNotPassForTheWaitingMessage: A message of the run waits, and a
// forged one comes first. The run's dataflow and outcome stay those of the waiting
// message.
func TestForgedMessageDoesNotPassForTheWaitingMessage(t *testing.T) {
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

// TestForgedOriginIsNotTrustedAfterAWait: The run can't be read yet, so the function
// itself puts the request back on the queue. It still does not trust the request's
// origin.
func TestForgedOriginIsNotTrustedAfterAWait(t *testing.T) {
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
					w.Drain(longWait)
					end()
					w.Drain(longWait)
					if n := w.Adobe.Retriggers(id); n != 1 || w.Entry(id)["flowId"] != "f" || w.Entry(id)["errorText"] == "forged" {
						t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
					}
				})
			})
		}
	}
}

// TestForgedOriginChangesNothing: Every sender to the queue may ask for a retry, and for
// no more than that. The function reads the run and goes by what Adobe says of it.
func TestForgedOriginChangesNothing(t *testing.T) {
	t.Parallel()
	for name, origin := range map[string]string{
		"as if it had been read":  `{"failedAt":"2000-01-01T00:00:00Z"}`,
		"as if Adobe had told":    `{"eventId":"e","createdClient":"acp_ui_platform","createdAt":"2026-11-23T06:00:00Z","failedAt":"2026-11-23T06:00:00Z"}`,
		"as if it were exhausted": `{"attempts":99,"root":"another","parent":"another"}`,
		"as if it had waited":     `{"due":"1999-12-31T00:00:00Z","root":"another","attempts":7,"firstSeen":"1999-01-01T00:00:00Z","failedAt":"1999-01-01T00:00:00Z"}`,
		"as if it had an error":   `{"errors":[{"code":"INGEST-1212-400","message":"bad data"}],"due":"1999-12-31T00:00:00Z"}`,
		"as if often requeued":    `{"requeues":8}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","sandbox":"prod","flowId":"another","origin":` + origin + `}`)
				w.Drain(time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 || w.Entry(id)["flowId"] != "f" || w.Entry(id)["root"] != id {
					t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
				}
				w.Told(id)
				w.Drain(time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 {
					t.Errorf("after its event it was re-triggered %d times", n)
				}
			})
		})
	}
}

// TestForgedMessageDoesNotChangeHowTheRunWaits: When a run must wait, its message has
// what Adobe says of it, and the run is retried when it is due.
func TestForgedMessageDoesNotChangeHowTheRunWaits(t *testing.T) {
	t.Parallel()
	for name, origin := range map[string]string{
		"too old":      `{"due":"1999-12-31T00:00:00Z","failedAt":"1990-01-01T00:00:00Z","createdClient":"x"}`,
		"bad data":     `{"due":"1999-12-31T00:00:00Z","createdClient":"x","errors":[{"code":"INGEST-1212-400","message":"bad data"}]}`,
		"a duplicate":  `{"due":"1999-12-31T00:00:00Z","createdClient":"x","errors":[{"code":"140","message":"already ingested"}]}`,
		"seen by 2099": `{"firstSeen":"2099-12-31T00:00:00Z"}`,
		"due late":     `{"due":"2000-01-12T00:00:00Z","createdClient":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.RetryDelays = []time.Duration{20 * time.Minute}
				id := w.Fail("f")
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","flowId":"f","origin":` + origin + `}`)
				w.Drain(time.Minute)
				w.Told(id)
				w.Drain(2 * time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 {
					t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
				}
			})
		})
	}
}

func TestDueTimeFarAheadIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Send(`{"runId":"` + id + `","origin":{"due":"9999-01-01T00:00:00Z"}}`)
		w.Send(`{"runId":"` + id + `","origin":{"due":"` + time.Now().Add(15*24*time.Hour).UTC().Format(time.RFC3339) + `"}}`)
		w.Drain(time.Hour)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 2 || letters[0].Attributes["reason"].StringValue != "invalid_field" || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Fatalf("%d dead letters, %d messages wait", len(letters), len(w.AWS.Messages(w.Requests)))
		}
		w.Told(id)
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("it was re-triggered %d times", n)
		}
	})
}
