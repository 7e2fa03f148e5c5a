package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// writer is a function that writes one item, and says so.
type writer struct{ simulation.Parts }

func (w writer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if err := w.Store.Commit(ctx, store.Write{Key: string(payload), New: store.Record{store.AttributeKey: string(payload), store.AttributeRev: "1"}}); err != nil {
		return nil, err
	}
	_, err := io.WriteString(w.Out, fmt.Sprintf(`{"runId":%q,"outcome":"retriggered"}`, payload))
	return payload, err
}

func inWorld(t *testing.T, test func(t *testing.T, w *simulation.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, simulation.New(t, func(p simulation.Parts) simulation.Handler { return writer{p} }, 0, 0))
	})
}

func TestCrashedProcessGivesNoAnswerAndWritesNoLog(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		calls   int
		after   bool
		written int // items after both invocations
		heard   int
	}{
		"it does not crash":                      {-1, false, 2, 2},
		"before the effect of its first call":    {0, false, 0, 0},
		"after the effect of its first call":     {0, true, 1, 0},
		"before the effect of its second call":   {1, false, 1, 1},
		"after the effect of its second call":    {1, true, 2, 1},
		"after so many calls that it makes none": {2, false, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *simulation.World) {
				p := w.Start(tt.calls, tt.after)
				for i, key := range []string{"a", "b"} {
					answer, err := p.Invoke(t.Context(), []byte(key))
					if crashed := i >= tt.heard; errors.Is(err, simulation.ErrDead) != crashed || (string(answer.Payload) == key) == crashed {
						t.Errorf("invocation %d: %q, %v", i, answer.Payload, err)
					}
				}
				if n := len(w.Memory.Records()); n != tt.written || p.Calls() != 2 || p.Dead() != (tt.heard < 2) {
					t.Errorf("%d items, want %d; %d calls; dead: %t", n, tt.written, p.Calls(), p.Dead())
				}
				if n := len(w.Logs.Outcomes()); n != tt.heard || len(w.Logs.Ends("a")) != min(tt.heard, 1) {
					t.Errorf("%d records, want %d", n, tt.heard)
				}
			})
		})
	}
}

func TestLedgerCallFailsWithoutEffectOrLosesItsAnswer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *simulation.World) {
		w.Faults.Fail(1, 1)
		p := w.Start(-1, false)
		for i, want := range []struct {
			fails   bool
			written int
		}{{true, 0}, {true, 1}, {false, 2}} {
			answer, err := p.Invoke(t.Context(), fmt.Append(nil, i))
			if n := len(w.Memory.Records()); err != nil || (answer.FunctionError != "") != want.fails || n != want.written {
				t.Errorf("invocation %d: %q, %v; %d items, want %d", i, answer.FunctionError, err, n, want.written)
			}
		}
		if left := w.Faults.Left(); left != 0 {
			t.Errorf("%d faults are left", left)
		}
	})
}

func TestEventOfAFailedRunComesByTheQueue(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *simulation.World) {
		w.Flow("f", simulation.Org)
		w.Told(w.Fail("f"))
		if n := len(w.AWS.Messages(w.Requests)); n != 1 || w.Next().IsZero() {
			t.Fatalf("%d messages", n)
		}
		if n := w.Poll(w.Start(0, false)); n != 1 || len(w.AWS.Messages(w.Requests)) != 1 {
			t.Errorf("the process that crashed received %d messages, and the queue has %d", n, len(w.AWS.Messages(w.Requests)))
		}
	})
}
