//go:build slow

package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

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
