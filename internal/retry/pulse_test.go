package retry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// pulse is that of the org, as the ledger lists it.
func pulseOf(w *world) ledger.Pulse {
	w.Helper()
	orgs, err := ledger.Lists{Table: w.table}.Orgs(w.Context())
	if err != nil || len(orgs) > 1 {
		w.Fatalf("orgs are %+v, %v", orgs, err)
	}
	if len(orgs) == 0 {
		return ledger.Pulse{}
	}
	return orgs[0]
}

func TestAnOrgHasAPulseOnceInFiveMinutes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		commits := 0
		w.table.onPulse = func([]store.Write) (before, after error) { commits++; return nil, nil }
		w.options.Version = "1.2.3"
		e := w.engine()
		told := Skip(event.Skip{Reason: event.RunInProgress, RunID: "a", OrgID: org, Sandbox: sandbox})
		hand := w.deliverTo(e, byHand(w.fail("b").RunID), Delivery{})
		began := time.Now()
		for _, step := range []struct {
			results []Result
			swept   []Swept
			wait    time.Duration
			writes  int
			event   time.Duration // after the beginning
		}{
			{[]Result{told}, nil, time.Minute, 1, 0},
			{[]Result{told, told}, nil, 4 * time.Minute, 0, 0},
			{[]Result{told}, nil, time.Minute, 1, 5 * time.Minute},
			{nil, []Swept{{org, "dev"}}, time.Hour, 1, 5 * time.Minute}, // whenever the last one was
			{[]Result{hand}, nil, time.Minute, 1, 5 * time.Minute},      // beside something else
			{[]Result{told}, nil, 0, 1, 67 * time.Minute},               // an event does not wait for five minutes after something else
		} {
			before := commits
			e.Pulse(w.Context(), step.results, step.swept)
			if p := pulseOf(w); commits-before != step.writes || !p.LastEvent.Equal(began.Add(step.event).Truncate(time.Millisecond)) || p.Version != "1.2.3" || p.Mode != "retry" || p.Schema != ledger.Schema {
				w.Errorf("after %s: %d writes, want %d, and the pulse is %+v", time.Since(began), commits-before, step.writes, p)
			}
			pass(step.wait)
		}
		if p := pulseOf(w); p.LastSweep.Sub(began).Round(time.Minute) != 6*time.Minute || p.Sandbox != sandbox {
			w.Errorf("the pulse is %+v", p)
		}
	})
}

func TestWhatShowsNothingOfAnOrgIsNoPulse(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		e := w.engine()
		dry := byHand(w.fail("a").RunID)
		dry.DryRun = true
		waits := Return(byHand("b"), NotDue, "it waits")
		e.Pulse(w.Context(), []Result{
			w.deliverTo(e, dry, Delivery{}), waits, Counted(&event.Error{Reason: event.InvalidField, OrgID: org}), Skip(event.Skip{Reason: event.ForeignEvent}),
		}, nil)
		if p := pulseOf(w); p != (ledger.Pulse{}) {
			w.Errorf("the pulse is %+v", p)
		}
	})
}

// TestThePulseTellsOfAPausedDeployment, and that it goes on again. Only waiting messages may
// come meanwhile: they tell, too.
func TestThePulseTellsOfAPausedDeployment(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		waits := Return(byHand("b"), Paused, "PAUSED is true")
		waits.OrgID = org
		w.engine().Pulse(w.Context(), []Result{waits}, nil)
		if p := pulseOf(w); p != (ledger.Pulse{}) {
			w.Errorf("a pause of an org's or a dataflow's makes the pulse %+v", p)
		}
		w.options.Paused = true
		w.engine().Pulse(w.Context(), []Result{waits}, nil)
		if p := pulseOf(w); !p.Paused || !p.LastEvent.IsZero() {
			w.Errorf("while everything is paused the pulse is %+v", p)
		}
		w.options.Paused = false
		w.engine().Pulse(w.Context(), nil, []Swept{{org, sandbox}})
		if p := pulseOf(w); p.Paused {
			w.Errorf("afterwards the pulse is %+v", p)
		}
	})
}

func TestAPulseThatCantBeWrittenIsLoggedAndTriedAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		e := w.engine()
		told := Skip(event.Skip{Reason: event.RunInProgress, RunID: "a", OrgID: org})
		w.table.onPulse = func([]store.Write) (before, after error) { return errDown, nil }
		e.Pulse(w.Context(), []Result{told}, nil)
		w.table.onPulse = func([]store.Write) (before, after error) { panic("a defect") }
		e.Pulse(w.Context(), []Result{told}, nil)
		if log := w.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "pulses=1") || !strings.Contains(log, "panic while writing pulses") {
			w.Errorf("the log is %s", log)
		}
		w.table.onPulse = nil
		e.Pulse(w.Context(), []Result{told}, nil)
		if pulseOf(w).LastEvent.IsZero() {
			w.Error("there is no pulse")
		}
	})
}
