package operate_test

import (
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
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

// TestLetterThatIsWrittenAfterTheCountIsNoneOfTheOthers: the person was asked about the others, and
// the ledger's list may lag behind.
func TestLetterThatIsWrittenAfterTheCountIsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.other("of SQS")
	p, err := operate.PlanOthers(t.Context(), l.Operator, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	l.dead("orders", "forbidden", 1)
	l.withoutRun("no JSON")
	done, err := operate.Drop(t.Context(), l.Operator, p, operate.Because{Reason: "old"}, nil)
	if left := len(l.sim.Messages(l.queue)); err != nil || len(done.Letters) != 1 || left != 2 {
		t.Errorf("%+v, %v; %d messages are left, want 2", done, err, left)
	}
}

func TestLetterWithoutARunThatIsWrittenAfterTheCountIsNotSent(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 1)
	l.other(`{"of":"AWS"}`) // so that all messages are looked at
	p := l.plan(operate.LetterFilter{}, 0)
	l.withoutRun("no JSON")
	if done, err := l.sendAgain(t.Context(), p); err != nil || len(done.Letters) != 1 || done.Leftover != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestLetterOfAnotherOrgWithTheSameRunIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.messageOf("Other@AdobeOrg", "orders-forbidden-0", "orders", "forbidden")
	l.dead("orders", "forbidden", 1)
	if done, err := l.sendAgain(t.Context(), l.plan(operate.LetterFilter{OrgID: org}, 0)); err != nil || len(done.Letters) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, m := range l.sim.Messages(l.requests) {
		if strings.Contains(m.Body, "Other@AdobeOrg") {
			t.Errorf("the letter of another org was sent: %s", m.Body)
		}
	}
}

// TestLetterThatIsYetToBeListedIsNoneOfTheOthers: the function lists a letter after it has written it.
func TestLetterThatIsYetToBeListedIsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.other(`{"of":"AWS"}`)
	m := deadletter.Message{Payload: []byte("no JSON"), Reason: "unreadable", LetterID: "letter-2", FirstTime: l.now, LastTime: l.now}
	if err := deadletter.NewQueue(l.sqs, l.queue).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	p, err := operate.PlanOthers(t.Context(), l.Operator, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	done, err := operate.Drop(t.Context(), l.Operator, p, operate.Because{Reason: "old"}, nil)
	if left := len(l.sim.Messages(l.queue)); err != nil || len(done.Letters) != 1 || left != 1 {
		t.Errorf("%+v, %v; %d messages are left, want 1", done, err, left)
	}
}
