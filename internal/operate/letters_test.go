package operate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

func idsOf(letters []operate.DeadLetter) (ids []string) {
	for i := range letters {
		ids = append(ids, letters[i].ID())
	}
	slices.Sort(ids)
	return ids
}

func TestDeadLettersAreListedWithoutReceivingAny(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 2)
	l.dead("crm", "attempts_exhausted", 1)
	l.withoutRun("no JSON")
	l.other(`{"of":"AWS"}`)
	all, err := operate.ListLetters(t.Context(), l.Operator, operate.LetterFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"crm-attempts_exhausted-0", "letter-1", "orders-forbidden-0", "orders-forbidden-1"}, idsOf(all.Letters)); diff != "" || all.Others != 1 || all.Queue.All() != 5 {
		t.Errorf("letters (-want +got):\n%s\n%d others, %+v", diff, all.Others, all.Queue)
	}
	if n := l.sim.Count("ReceiveMessage"); n != 0 {
		t.Errorf("%d receives", n)
	}
}

func TestDeadLettersAreChosenByFilters(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 1)
	l.now = l.now.Add(-48 * time.Hour)
	l.dead("crm", "attempts_exhausted", 1)
	l.withoutRun(`{"orgId":"` + org + `"}`)
	for name, c := range map[string]struct {
		filter operate.LetterFilter
		want   string
	}{
		"a reason":              {operate.LetterFilter{Reasons: policy.Patterns{"forbidden"}}, "orders-forbidden-0"},
		"patterns of reasons":   {operate.LetterFilter{Reasons: policy.Patterns{"for*", "unread*"}}, "letter-1 orders-forbidden-0"},
		"a pattern of codes":    {operate.LetterFilter{Codes: policy.Patterns{"connector-*"}}, "crm-attempts_exhausted-0 orders-forbidden-0"},
		"no code":               {operate.LetterFilter{Codes: policy.Patterns{"-"}}, "letter-1"},
		"a part of a name":      {operate.LetterFilter{FlowPart: "OW c"}, "crm-attempts_exhausted-0"},
		"a name of none":        {operate.LetterFilter{FlowPart: "nothing"}, ""},
		"a text of the error":   {operate.LetterFilter{Text: "NOT JSON"}, "letter-1"},
		"a text of the message": {operate.LetterFilter{Text: "orgid"}, "letter-1"},
		"a part of an id":       {operate.LetterFilter{Text: "exhausted-0"}, "crm-attempts_exhausted-0"},
		"a dataflow's id":       {operate.LetterFilter{Flow: "crm"}, "crm-attempts_exhausted-0"},
		"a dataflow's name":     {operate.LetterFilter{Flow: "flow CRM"}, "crm-attempts_exhausted-0"},
		"an org":                {operate.LetterFilter{OrgID: org}, "crm-attempts_exhausted-0 letter-1 orders-forbidden-0"},
		"old ones":              {operate.LetterFilter{Older: 24 * time.Hour}, "crm-attempts_exhausted-0 letter-1"},
		"new ones":              {operate.LetterFilter{Newer: 24 * time.Hour}, "orders-forbidden-0"},
		"an id":                 {operate.LetterFilter{IDs: []string{"letter-1"}}, "letter-1"},
		"two that never match":  {operate.LetterFilter{Reasons: policy.Patterns{"forbidden"}, Flow: "crm"}, ""},
		"none, so that all are": {operate.LetterFilter{}, "crm-attempts_exhausted-0 letter-1 orders-forbidden-0"},
	} {
		all, err := operate.ListLetters(t.Context(), l.Operator, c.filter)
		if got := strings.Join(idsOf(all.Letters), " "); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	if _, err := operate.ListLetters(t.Context(), l.Operator, operate.LetterFilter{Flow: "flow cmr"}); kindOf(t, err) != operate.NotThere || !strings.Contains(err.Error(), "Flow crm") {
		t.Errorf("an unknown dataflow: %v", err)
	}
}

func TestDeadLettersAreCountedByReasonAndCodeWhateverTheFilter(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 2)
	l.withoutRun("no JSON")
	all, err := operate.ListLetters(t.Context(), l.Operator, operate.LetterFilter{Text: "orders-forbidden-1"})
	if err != nil || len(all.Letters) != 1 || all.Known() != 3 {
		t.Fatalf("%d of %d letters, %v", len(all.Letters), all.Known(), err)
	}
	if diff := cmp.Diff([]operate.LetterCount{{Word: "forbidden", N: 2}, {Word: "unreadable", N: 1}}, all.Reasons()); diff != "" {
		t.Errorf("by reason (-want +got):\n%s", diff)
	}
	if codes := all.Codes(); len(codes) != 2 || codes[0].N != 2 || codes[1] != (operate.LetterCount{Word: ledger.NoCode, N: 1}) {
		t.Errorf("by code: %v", codes)
	}
}

func TestOnlyLettersWhoseCauseIsMendedAreChosen(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "attempts_exhausted", 1)
	l.dead("crm", "attempts_exhausted", 1)
	l.dead("files", "policy", 1)
	entries := l.entries("crm", "Flow crm", "crm-attempts_exhausted-0")
	if _, _, err := ledger.NewEpisodes(l.ledger).End(t.Context(), entries.Flow, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	l.answer = `{"status":{"orgs":[{"orgId":"` + org + `","credential":"accepted"}],"settings":{"retryPolicy":"[{\"flowId\":\"other\",\"action\":\"skip\"}]"}}}`
	all, err := operate.ListLetters(t.Context(), l.Operator, operate.LetterFilter{Mended: true})
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, one := range all.Letters {
		why[one.RunID] = one.Mended
	}
	want := map[string]string{"crm-attempts_exhausted-0": operate.LaterSuccess, "files-policy-0": operate.RuleChanged}
	if diff := cmp.Diff(want, why); diff != "" {
		t.Errorf("mended (-want +got):\n%s", diff)
	}
}

func TestARedriveSendsWhatMatchesAndGivesTheOthersBack(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.sim.Shuffle(l.queue, 7)
	orders := l.dead("orders", "forbidden", 23)
	crm := l.dead("crm", "forbidden", 61)
	l.withoutRun("no JSON")
	l.other(`{"of":"AWS"}`)
	p := l.plan(operate.LetterFilter{Flow: "orders"}, 0)
	if diff := cmp.Diff([]operate.Group{{Reason: "forbidden", FlowID: "orders", FlowName: "Flow orders", Count: 23}}, p.Groups); diff != "" || p.Matched != 23 || p.Others != 1 {
		t.Errorf("groups (-want +got):\n%s\n%+v", diff, p)
	}
	done, err := l.sendAgain(t.Context(), p)
	if err != nil || len(done.Letters) != 23 || len(done.NotFound) != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	slices.Sort(orders)
	if diff := cmp.Diff(orders, l.sent()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if left := len(l.sim.Messages(l.queue)); left != len(crm)+2 || l.hidden() != 0 {
		t.Errorf("%d messages are left, of which %d are hidden; want %d and none", left, l.hidden(), len(crm)+2)
	}
}

func TestARedriveOfALetterWithoutARunKeepsItsAttributes(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.withoutRun("no JSON")
	if done, err := l.sendAgain(t.Context(), l.plan(operate.LetterFilter{}, 0)); err != nil || len(done.Letters) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	sent := l.sim.Messages(l.requests)
	if len(sent) != 1 || sent[0].Body != "no JSON" || sent[0].Attributes["letterId"].StringValue != "letter-1" || sent[0].Attributes["reason"].StringValue != "unreadable" {
		t.Errorf("sent: %+v", sent)
	}
}

func TestALimitLeavesTheNewestForLater(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	for i, flow := range []string{"third", "second", "first"} {
		l.now = time.Now().Add(-time.Duration(i+1) * time.Hour)
		l.dead(flow, "forbidden", 1)
	}
	p := l.plan(operate.LetterFilter{}, 2)
	if done, err := l.sendAgain(t.Context(), p); err != nil || len(done.Letters) != 2 || p.Left != 1 {
		t.Fatalf("%+v, %v, %+v", done, err, p)
	}
	if diff := cmp.Diff([]string{"first-forbidden-0", "second-forbidden-0"}, l.sent()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestLettersThatAreNotOnTheQueueAreNamed(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 1)
	l.gives("orders", "Flow orders", "gone", "forbidden") // somebody has deleted its message
	done, err := l.sendAgain(t.Context(), l.plan(operate.LetterFilter{}, 0))
	if err != nil || len(done.Letters) != 1 || !slices.Equal(done.NotFound, []string{"gone"}) {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestAMessageThatSomebodyElseHasReceivedIsWaitedFor: a lost answer of SQS hides messages, too.
func TestAMessageThatSomebodyElseHasReceivedIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 12)
	if n := l.receive(4); n != 10 {
		t.Fatalf("%d messages", n)
	}
	if done, err := l.sendAgain(t.Context(), l.plan(operate.LetterFilter{}, 0)); err != nil || len(done.Letters) != 12 || len(done.NotFound) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestAMessageThatComesBackBetweenTheLastReceiveAndTheCountIsSent: it is neither received nor
// hidden then.
func TestAMessageThatComesBackBetweenTheLastReceiveAndTheCountIsSent(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 12)
	l.receive(600)
	plan := l.plan(operate.LetterFilter{}, 0)
	l.Queues = beforeCounts{Queues: l.sqs, do: func() { l.sim.Advance(10 * time.Minute) }}
	if done, err := l.sendAgain(t.Context(), plan); err != nil || len(done.Letters) != 12 || len(done.NotFound) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestCtrlCDuringAReceiveGivesItsMessagesBack: SQS has hidden them already.
func TestCtrlCDuringAReceiveGivesItsMessagesBack(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 15)
	ctx, cancel := context.WithCancel(t.Context())
	l.Queues = afterReceives{Queues: l.sqs, do: cancel}
	done, err := operate.SendAgain(ctx, l.Operator, l.plan(operate.LetterFilter{}, 0), operate.Redrive{PerSecond: 10_000})
	if !errors.Is(err, context.Canceled) || len(done.Letters) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if l.hidden() != 0 {
		t.Errorf("%d letters are hidden", l.hidden())
	}
}

func TestAnExpiredLetterIsNotSent(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.now = time.Now().Add(-operate.Retention - time.Hour)
	l.gives("orders", "Flow orders", "old", "forbidden")
	all, err := operate.ListLetters(t.Context(), l.Operator, operate.LetterFilter{})
	if err != nil || len(all.Letters) != 1 || !all.Letters[0].Expired || all.Others != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if p := l.plan(operate.LetterFilter{}, 0); p.Expired != 1 || len(p.Letters) != 0 {
		t.Errorf("the plan is %+v", p)
	}
}

// TestCtrlCFinishesTheLetterAtHandAndTheRestStays, visible for whoever comes next.
func TestCtrlCFinishesTheLetterAtHandAndTheRestStays(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 15)
	ctx, cancel := context.WithCancel(t.Context())
	r := operate.Redrive{PerSecond: 10_000, Progress: func(done int) {
		if done == 12 {
			cancel()
		}
	}}
	done, err := operate.SendAgain(ctx, l.Operator, l.plan(operate.LetterFilter{}, 0), r)
	if !errors.Is(err, context.Canceled) || len(done.Letters) != 12 || len(done.NotFound) != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	if left := len(l.sim.Messages(l.queue)); left != 3 || l.hidden() != 0 || len(l.sent()) != 12 {
		t.Errorf("%d letters are left, %d hidden, %d sent", left, l.hidden(), len(l.sent()))
	}
	if done, err := l.sendAgain(t.Context(), l.plan(operate.LetterFilter{}, 0)); err != nil || len(done.Letters) != 3 {
		t.Errorf("run again: %+v, %v", done, err)
	}
}

func TestALetterIsShownByItsRunOrItsMessage(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.dead("orders", "forbidden", 25)
	l.other(`{"of":"AWS"}`)
	all := l.sim.Messages(l.queue)
	for _, id := range []string{"orders-forbidden-24", all[25].ID} {
		shown, err := operate.ShowLetter(t.Context(), l.Operator, id)
		if err != nil || shown.Message == nil || (shown.Letter != nil) != strings.HasPrefix(id, "orders") || l.hidden() != 0 {
			t.Errorf("%s: %+v, %v; %d are hidden", id, shown, err, l.hidden())
		}
	}
	if _, err := operate.ShowLetter(t.Context(), l.Operator, "no-such"); kindOf(t, err) != operate.NotThere {
		t.Errorf("one that is not there: %v", err)
	}
}
