package ledger_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// from is the data window of one hour from the full hour on, on one day.
func from(hour int) aeptime.Window {
	start := time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC)
	return aeptime.Window{Start: start, End: start.Add(time.Hour)}
}

func TestACallKeepsTheDataWindowOfItsRun(t *testing.T) {
	t.Parallel()
	for name, window := range map[string]aeptime.Window{"known": from(5), "not known": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t)
			e := b.load("root")
			e.Run.Window = window
			claim, e, err := b.Claim(t.Context(), e, ledger.ClaimOptions{By: ledger.AnEvent, ClientID: "client", Until: b.now.Add(time.Minute)})
			if err != nil {
				t.Fatal(err)
			}
			if got := b.load("root").Flow.Slot.Window; claim.Call().Window != window || got != window {
				t.Errorf("the claim has %s, the slot %s, want %s", claim.Call().Window, got, window)
			}
			must(b.MarkUnconfirmed(t.Context(), claim, e))(t)
			b.settle("root", ledger.Searched)
			if got := b.load("root"); got.Flow.Kept[0].Window != window || got.Run.Lost.Window != window {
				t.Errorf("kept is %s, lost %s, want %s", got.Flow.Kept[0].Window, got.Run.Lost.Window, window)
			}
		})
	}
}

// TestTheDataWindowTellsWhichOfSeveralCallsHasMadeARun: An equal window is evidence, and a
// different one is none.
func TestTheDataWindowTellsWhichOfSeveralCallsHasMadeARun(t *testing.T) {
	t.Parallel()
	call := func(runID string, window aeptime.Window) ledger.Call {
		return ledger.Call{ID: "call of " + runID, RunID: runID, Window: window}
	}
	unknown := aeptime.Window{}
	for _, tt := range []struct {
		name  string
		calls []ledger.Call
		run   aeptime.Window
		want  string // the maker; empty for nobody knows
	}{
		{"no call", nil, from(5), ""},
		{"one call with the same window", []ledger.Call{call("a", from(5))}, from(5), "a"},
		{"one call with another window", []ledger.Call{call("a", from(6))}, from(5), "a"},
		{"one call, and nothing is known", []ledger.Call{call("a", unknown)}, unknown, "a"},
		{"the first of two runs", []ledger.Call{call("a", from(5)), call("b", from(6))}, from(5), "a"},
		{"the second of two runs", []ledger.Call{call("a", from(5)), call("b", from(6))}, from(6), "b"},
		{"two calls of the run with the same window", []ledger.Call{call("a", unknown), call("b", from(6)), call("a", from(5))}, from(5), "a"},
		{"neither of two runs", []ledger.Call{call("a", from(5)), call("b", from(6))}, from(7), ""},
		{"windows that overlap", []ledger.Call{call("a", from(5)), call("b", from(6))}, aeptime.Window{Start: from(5).Start, End: from(6).End}, ""},
		{"both runs", []ledger.Call{call("a", from(5)), call("b", from(5))}, from(5), ""},
		{"two of three runs", []ledger.Call{call("a", from(5)), call("b", from(6)), call("c", from(5))}, from(5), ""},
		{"the other run's window is not known", []ledger.Call{call("a", from(5)), call("b", unknown)}, from(5), ""},
		{"the found run's window is not known", []ledger.Call{call("a", from(5)), call("b", from(6))}, unknown, ""},
		{"no window is known", []ledger.Call{call("a", unknown), call("b", unknown)}, unknown, ""},
	} {
		maker, known := ledger.Maker(tt.calls, tt.run)
		if known != (tt.want != "") || known && maker.RunID != tt.want {
			t.Errorf("%s: %q (%t), want %q", tt.name, maker.RunID, known, tt.want)
		}
	}
}
