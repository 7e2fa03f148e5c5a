package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestSecondDeliveryOfAScheduleIsReportedAsRepeated(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Fail("f")
		const sample = `{"id":"cdc73f9d-aea9-11e3-9d5a-835b769c0d9c","detail-type":"Scheduled Event","source":"aws.events","time":"1970-01-01T00:00:00Z","detail":{}}`
		first, second := w.sweep(sample), w.sweep(sample)
		if first.Repeated || first.Requested != 1 || !second.Repeated || second.Requested != 1 || second.ID != first.ID {
			t.Errorf("first %+v, second %+v", first, second)
		}
		if time.Since(first.Since) > 25*time.Hour {
			t.Errorf("it looks back to %s", first.Since)
		}
	})
}

func TestSweepThatWaitedForDaysLooksBackFromNow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Send(`{"sweep":{}}`)
		pass(3 * 24 * time.Hour)
		id := w.Fail("f")
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("a run that failed just now was re-triggered %d times; the sweep: %+v", n, w.lastSweep())
		}
	})
}

// TestTwoDeliveriesOfAScheduleAreOneSweep: The schedule's event is delivered twice at the
// same time.
func TestTwoDeliveriesOfAScheduleAreOneSweep(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(150, 5)
		var group sync.WaitGroup
		for range 2 {
			p := w.Start(-1, false)
			group.Go(func() { _, _ = p.Invoke(t.Context(), []byte(bareSchedule)) })
		}
		group.Wait()
		if n := len(w.AWS.Messages(w.Requests)); n > len(ids)+2 { // and the sweep's own
			t.Errorf("%d messages for %d runs", n, len(ids))
		}
		w.Drain(3 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Seen != len(ids) || last.Requested != len(ids) {
			t.Errorf("the sweep is %+v", last)
		}
	})
}

// TestSweepKeepsItsTimeWindowUntilItCanBegin: The window counts from the request, however
// long the secret or the ledger is missing.
func TestSweepKeepsItsTimeWindowUntilItCanBegin(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*world, string){
		"by hand":      func(w *world, payload string) { w.sweep(payload) },
		"by the queue": func(w *world, payload string) { w.Send(payload) },
	} {
		for name2, hinder := range map[string]func(w *world){
			"no secret": func(w *world) { w.AWS.PutSecret("secret-W", "no credential") },
			"no ledger": func(w *world) { w.Faults.Fail(1000, 0) },
		} {
			t.Run(name+", "+name2, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Config.SecretCacheTTL = time.Minute
					id := w.Fail("f")
					pass(time.Minute)
					secret := fmt.Sprintf(`{"client_id":"client-W","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg)
					hinder(w)
					ask(w, `{"sweep":{"since":"30m","orgId":"`+worldOrg+`"}}`)
					for end := time.Now().Add(time.Hour); time.Now().Before(end); pass(time.Minute) {
						w.Poll(w.Start(-1, false))
					}
					w.AWS.PutSecret("secret-W", secret)
					w.Faults.Fail(0, 0)
					w.Drain(3 * time.Hour)
					w.wantOnce(t, []string{id})
				})
			})
		}
	}
}
