package operate_test

import (
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func TestReasonThatTheFunctionRefusesIsRefusedBeforeALetterIsSent(t *testing.T) {
	t.Parallel()
	for name, reason := range map[string]string{"too long": strings.Repeat("x", 4097), "no UTF-8": "caf\xe9"} {
		l := newLetters(t)
		l.dead("orders", "forbidden", 1)
		_, err := operate.SendAgain(t.Context(), l.Operator, l.plan(operate.LetterFilter{}, 0), operate.Redrive{PerSecond: 1000, Because: operate.Because{Reason: reason}})
		if kindOf(t, err) != operate.Wrong || len(l.sent()) > 0 {
			t.Errorf("%s: %v, sent %v", name, err, l.sent())
		}
	}
}

func TestDropThatTheLedgerDidNotTakeIsAnError(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 1)
	l.answer = `{"results":[{"runId":"orders-forbidden-0","outcome":"returned","reason":"ledger_unavailable","message":"the table is throttled"}]}`
	_, err := operate.Drop(t.Context(), l.Operator, l.plan(operate.LetterFilter{}, 0), operate.Because{Reason: "old"}, nil)
	if kindOf(t, err) != operate.Failed || !strings.Contains(err.Error(), "orders-forbidden-0") || !strings.Contains(err.Error(), "throttled") {
		t.Errorf("error = %v", err)
	}
}
