package retry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// situation is one combination of facts, and the answers that the engine would get to the
// questions that the decision asks.
type situation struct {
	facts   Facts
	rules   Rules
	found   Found
	parent  ledger.State
	success Answer
	newer   Newer
	status  flowclient.Status
}

// dimension is one thing that the facts may say, in all its values.
type dimension struct {
	name   string
	values []func(*situation)
}

func values(name string, all ...func(*situation)) dimension { return dimension{name, all} }

func set(g ...given) func(*situation) {
	return func(s *situation) {
		for _, change := range g {
			change(&s.facts, &s.rules)
		}
	}
}

func nothing(*situation) {}

// mattering are the facts of the run and its dataflow, of which every combination is tried.
func mattering() []dimension {
	sends := func(n int) func(*situation) {
		return set(func(f *Facts, _ *Rules) {
			if f.Entries.Run.Sends = n; n > 0 {
				f.Entries.Run.Lost = callOf("run", time.Hour)
			}
		})
	}
	inSlot := func(runID string, ended time.Duration) func(*situation) {
		return set(func(f *Facts, _ *Rules) {
			call := callOf(runID, ended)
			f.Entries.Flow.Slot = &call
		})
	}
	finds := func(found Found) func(*situation) { return func(s *situation) { s.found = found } }
	var askers []func(*situation)
	for _, by := range ledger.Askers() {
		askers = append(askers, set(askedBy(by)))
	}
	return []dimension{
		values("sends", sends(0), sends(1), sends(2)),
		values("asker", askers...),
		values("slot", nothing, inSlot("run", -time.Minute), inSlot("other", -time.Minute), inSlot("run", time.Second),
			inSlot("other", time.Second), inSlot("run", time.Hour), inSlot("other", time.Hour)),
		values("search", finds(FoundNothing), finds(FoundOne), finds(FoundAmbiguous), finds(FoundNoWay)),
		values("kept calls", nothing, set(madeByUs, kept("other")), set(madeByUs, kept("other", "third")), set(madeByUs, cut),
			set(madeByUs, worksOn(from(6)), keptOf("third", from(5)), keptOf("other", from(6)))),
		values("refusal", nothing, nothing, set(refused(flowclient.KindRejected, Rejected)), set(refused(flowclient.KindTransient, AdobeUnavailable))),
	}
}

// further are facts of which each combination of the others meets some.
func further() []dimension {
	parent := func(state ledger.State) func(*situation) { return func(s *situation) { s.parent = state } }
	says := func(status flowclient.Status) func(*situation) { return func(s *situation) { s.status = status } }
	retried := func(n Newer) func(*situation) { return func(s *situation) { s.newer = n } }
	succeeded := func(a Answer) func(*situation) { return func(s *situation) { s.success = a } }
	refusal := func(kind flowclient.Kind) func(*situation) {
		return func(s *situation) {
			if s.facts.Refusal != nil {
				s.facts.Refusal.Kind = kind
			}
		}
	}
	return []dimension{
		values("parent", parent(ledger.Searched), parent(ledger.Reserved), parent(ledger.DeadLettered), parent(ledger.Retriggered), parent(ledger.CannotTell)),
		values("pause", nothing, set(paused)),
		values("slow-down", nothing, nothing, set(slowedDown)),
		values("dry run", nothing, set(dryRun)),
		values("breaker", nothing, set(breakerOpen), set(almostOpen)),
		values("success", succeeded(No), succeeded(Yes)),
		values("by hand", retried(Newer{Answer: No}), retried(Newer{Answer: Yes, By: ListedRun{ID: "by-hand"}}), retried(Newer{Answer: No, Unclear: "no window"})),
		values("budget", nothing, set(orgBudgetSpent), set(flowBudgetSpent)),
		values("attempts", nothing, set(used(1)), set(used(3))),
		values("age", nothing, set(firstSeen(2*time.Hour)), set(failed(8*day, 0)), set(failed(8*day, 7*day+23*time.Hour))),
		values("believed", nothing, set(func(f *Facts, _ *Rules) { f.Entries.Run.Fingerprint = "something else" })),
		values("status", says("failed"), says("success"), says("inProgress")),
		values("extra send", nothing, set(noExtraSend)),
		values("clear", nothing, nothing, set(func(f *Facts, _ *Rules) { f.Entries.Run.Settled = ledger.CannotTell })),
		values("sandbox", nothing, nothing, set(elsewhere)),
		values("due", set(dueIn(-time.Minute)), set(dueIn(time.Minute))),
		values("before", set(before(ledger.Returned)), set(before(ledger.DeadLettered)), set(before(ledger.CannotTell))),
		values("refusal's kind", nothing, refusal(flowclient.KindThrottled), refusal(flowclient.KindNotYet), refusal(flowclient.KindForbidden), refusal(flowclient.KindNotFound)),
		values("read since", nothing, set(func(f *Facts, _ *Rules) {
			if f.Refusal != nil {
				f.Refusal.Read = true
			}
		})),
	}
}

// TestEachCombinationOfFactsIsDecidedSafely walks through every combination of what
// matters, each with some values of everything else.
func TestEachCombinationOfFactsIsDecidedSafely(t *testing.T) {
	t.Parallel()
	states := slices.DeleteFunc(ledger.States(), func(s ledger.State) bool { return s == ledger.Unconfirmed }) // it is never stored
	for _, state := range states {
		t.Run("state "+string(state), func(t *testing.T) {
			t.Parallel()
			combinations, failures := 0, 0
			first, rest := mattering(), further()
			walk(first, func(matter []int) {
				for range situationsOfEach {
					s := &situation{facts: facts(), rules: rules()}
					set(in(state))(s)
					names := pick(s, first, matter)
					if !s.possible() {
						return
					}
					combinations++
					choice, n := make([]int, len(rest)), combinations*7919
					for i, d := range rest {
						choice[i] = n % len(d.values)
						n = n/len(d.values) + combinations
					}
					more := pick(s, rest, choice)
					if problem := s.play(); problem != "" && failures < 5 {
						failures++
						t.Errorf("%s\n%s%s", problem, names(), more())
					}
				}
			})
			if combinations == 0 {
				t.Error("no combination is possible")
			}
		})
	}
}

// possible reports whether the ledger can have such entries. A run is in flight exactly as
// long as its call is in the slot, and the state tells whether a call of it was lost.
func (s *situation) possible() bool {
	run, slot := &s.facts.Entries.Run, s.facts.Entries.Flow.Slot
	own := slot != nil && slot.RunID == run.RunID
	if own {
		run.Call = *slot
	}
	if own != (run.State == ledger.InFlight) {
		return false
	}
	switch run.State {
	case ledger.NoEntry, ledger.Made:
		return run.Sends == 0
	case ledger.InFlight, ledger.Searched, ledger.CannotTell:
		return run.Sends > 0
	}
	return true
}

func walk(dimensions []dimension, visit func(choice []int)) {
	choice := make([]int, len(dimensions))
	for {
		visit(choice)
		i := 0
		for ; i < len(choice); i++ {
			if choice[i]++; choice[i] < len(dimensions[i].values) {
				break
			}
			choice[i] = 0
		}
		if i == len(choice) {
			return
		}
	}
}

// pick sets the chosen values. The names tell them.
func pick(s *situation, dimensions []dimension, choice []int) (names func() string) {
	for i, d := range dimensions {
		d.values[choice[i]](s)
	}
	return func() string {
		var text strings.Builder
		for i, d := range dimensions {
			fmt.Fprintf(&text, "%s %d, ", d.name, choice[i])
		}
		return text.String()
	}
}

// play decides, and answers as the engine does, until a step ends the request. It returns
// what is wrong.
func (s *situation) play() string {
	const enough = 12
	var done []Action
	for range enough {
		step := Decide(&s.facts, &s.rules, noon())
		done = append(done, step.Do)
		problem := s.check(step)
		if problem == "" {
			var end bool
			if end, problem = s.answer(step); end && problem == "" {
				return ""
			}
		}
		if problem != "" {
			return fmt.Sprintf("%s, after %q: %s", problem, done, step.Detail)
		}
	}
	return fmt.Sprintf("it does not end: %q", done)
}

// answer does what the engine does, without a ledger and without Adobe.
func (s *situation) answer(step Step) (end bool, problem string) {
	f := &s.facts
	if f.By == ledger.ASweep && step.Do != AskNewer || f.Request.DryRun && step.Acts() {
		return true, ""
	}
	switch step.Do {
	case ReadRun, SearchCall, ReadParent, AskSuccess, AskNewer:
		return false, s.learn(step)
	case CloseBreaker:
		f.Entries.Flow.BlockedUntil, f.Entries.Flow.Exhausted, f.Succeeded = time.Time{}, 0, NotAsked
		return false, ""
	case LinkRun, SettleCall:
		return s.close(step), ""
	}
	return true, ""
}

// learn answers a question, which must not be asked twice.
func (s *situation) learn(step Step) (problem string) {
	f := &s.facts
	switch step.Do {
	case ReadRun:
		if f.Run != nil && f.Refusal == nil {
			return "the run is read twice"
		}
		if f.Refusal != nil {
			f.Refusal.Read = true
		}
		set(adobeSays(s.status))(s)
	case SearchCall:
		if f.Search.CallID == step.Call.ID {
			return "a call is searched for twice"
		}
		f.Search, f.Parent = Search{CallID: step.Call.ID, Found: s.found, Child: ledger.NewRun("org", "flow", "prod", "child")}, nil
	case ReadParent:
		parentRead(step.Call.RunID, s.parent)(f, nil)
		if step.Call.RunID == f.Entries.Run.RunID {
			f.Parent.Run = f.Entries.Run
		} else if slot := f.Entries.Flow.Slot; slot != nil {
			f.Parent.Run.State, f.Parent.Run.Call = ledger.InFlight, *slot
		}
	case AskSuccess:
		if f.Succeeded != NotAsked {
			return "a success is asked for twice"
		}
		f.Succeeded = s.success
	case AskNewer:
		switch {
		case f.Newer.Answer != NotAsked:
			return "a retry by hand is asked for twice"
		case f.Request.Force:
			return "force asks for a retry by hand"
		case !s.isLate():
			return "a retry at once asks for one by hand"
		}
		f.Newer = s.newer
	}
	return ""
}

// close links or settles a lost call.
func (s *situation) close(step Step) (end bool) {
	f := &s.facts
	run, flow := &f.Entries.Run, &f.Entries.Flow
	own := step.Call.RunID == run.RunID
	f.Parent, flow.Slot = nil, nil
	switch {
	case step.Do == LinkRun && step.FromRun:
		run.Parent, flow.Kept = step.Call.RunID, nil
	case step.Do == LinkRun:
		return own
	case own:
		run.State, run.Lost = step.To, step.Call
		run.Settled = step.To
		fallthrough
	default:
		flow.Kept = append(slices.Clone(flow.Kept), step.Call)
	}
	return false
}

// allowed returns what the states' table has against an operation.
func allowed(from ledger.State, op ledger.Operation, by ledger.Asker, to ledger.State) string {
	if !ledger.Allowed(from, op, by, to) {
		return fmt.Sprintf("the ledger does not let %s of %q by %s", op, from, by)
	}
	return ""
}

// check returns what is wrong with a step.
func (s *situation) check(step Step) string {
	f := &s.facts
	state := f.Entries.Run.StateAt(noon())
	if f.By == ledger.ASweep {
		switch {
		case !slices.Contains([]Action{End, Send, Defer, SkipRun, DeadLetter, AskNewer}, step.Do):
			return "a sweep must not " + string(step.Do)
		case step.By != "": // which the sweep notes
			return allowed(state, ledger.OpNote, f.By, ledger.Skipped)
		}
		return ""
	}
	switch step.Do {
	case Send:
		return s.checkSend(step, allowed(state, ledger.OpClaim, f.By, ledger.InFlight))
	case Defer:
		if step.Due.IsZero() {
			return "it is put on the queue without a due time"
		}
		if f.By == ledger.AMessage {
			return allowed(state, ledger.OpNote, f.By, ledger.Deferred)
		}
		return allowed(state, ledger.OpReserve, f.By, ledger.Reserved)
	case SkipRun:
		return allowed(state, ledger.OpNote, f.By, ledger.Skipped)
	case DeadLetter:
		if state == ledger.Unconfirmed { // there is no reservation: see giveUp
			return ""
		}
		return allowed(state, ledger.OpReserve, f.By, ledger.Reserved)
	case LinkRun:
		return s.checkLink(step, state)
	case SettleCall:
		return allowed(f.Parent.Run.StateAt(noon()), ledger.OpSettle, ledger.AnEvent, step.To)
	case End:
		if step.Outcome == "" || step.Reason == "" {
			return "it ends without an outcome or a reason"
		}
	}
	return ""
}

func (s *situation) checkLink(step Step, state ledger.State) string {
	problem := allowed(s.facts.Parent.Run.StateAt(noon()), ledger.OpLink, ledger.AnEvent, ledger.Retriggered)
	if problem != "" || !step.FromRun {
		return problem
	}
	to := state
	if state == ledger.NoEntry || state == ledger.Searched || state == ledger.CannotTell {
		to = ledger.Made
	}
	return allowed(state, ledger.OpLinkChild, ledger.AnEvent, to)
}

// isLate reports whether the attempt begins more than ten minutes after the failure.
func (s *situation) isLate() bool {
	begin := noon().Add(-10 * time.Minute)
	return s.facts.Request.FailedAt.Before(begin) || s.facts.Request.FirstSeen.Before(begin)
}

// wrong is a problem, where it is one.
type wrong struct {
	problem string
	is      bool
}

// checkSend returns what is wrong with a re-trigger; table is what the states' table has
// against it.
func (s *situation) checkSend(step Step, table string) string {
	all := append(s.inItsWay(), wrong{table, table != ""})
	if s.facts.Entries.Run.Sends > 0 || step.Extra {
		all = append(all, s.wrongAgain(step)...)
	}
	if !s.facts.Request.Force {
		all = append(all, wrong{"it is sent although somebody has retried it by hand", s.facts.Newer.Answer == Yes},
			wrong{"it is sent without asking for a retry by hand", s.facts.Newer.Answer == NotAsked && s.isLate()})
		all = append(all, s.overLimits()...)
	}
	for _, w := range all {
		if w.is {
			return w.problem
		}
	}
	return ""
}

// inItsWay is what forbids any re-trigger.
func (s *situation) inItsWay() []wrong {
	f := &s.facts
	run := &f.Entries.Run
	return []wrong{
		{"it is sent while all is paused", f.Pause.Wait > 0 && !f.Request.DryRun},
		{"it is sent while the org is slowed down", f.SlowDown > time.Minute},
		{"it is sent while the slot is full", f.Entries.Flow.Slot != nil},
		{"it is sent after a refusal", f.Refusal != nil},
		{"an unconfirmed run is sent", run.StateAt(noon()) == ledger.Unconfirmed},
		{"it is sent unread, for a person", (f.By == ledger.AtHand || f.By == ledger.AForce) && f.Run == nil},
		{"it is sent unread, for a message that the ledger does not know", f.By == ledger.AMessage && f.Run == nil && run.Fingerprint != f.Request.Fingerprint()},
		{"it is sent although it runs", f.Run != nil && f.Run.Status().Running()},
	}
}

// wrongAgain is what forbids one more re-trigger of a run whose call was lost.
func (s *situation) wrongAgain(step Step) []wrong {
	run, search := &s.facts.Entries.Run, &s.facts.Search
	if s.facts.Request.Force && (run.State == ledger.DeadLettered || run.Before == ledger.DeadLettered) {
		return nil // a person has looked
	}
	return []wrong{
		{"it is sent again without a search", search.CallID != run.Lost.ID || search.Found != FoundNothing},
		{"it is sent for a third time", run.Sends >= 2},
		{"it is sent although no search can tell", run.Unclear()},
		{"it is sent again despite EXTRA_SEND=false", s.rules.NoExtraSend},
		{"it is sent again without saying so", !step.Extra},
	}
}

// overLimits is what forbids a re-trigger that nobody forces.
func (s *situation) overLimits() []wrong {
	f := &s.facts
	run, flow := &f.Entries.Run, &f.Entries.Flow
	calls, cut := flow.Fits(run.RunID, f.Request.CreatedClient, f.Request.CreatedAt)
	return []wrong{
		{"it is sent without attempts left", run.Used()-run.Forgiven >= 3},
		{"it is sent beyond the org's budget", !f.BudgetSpent.IsZero()},
		{"it is sent beyond the dataflow's budget", s.rules.FlowBudget > 0},
		{"it is sent while the breaker is open", flow.BlockedUntil.After(noon())},
		{"it is sent although it is too old", noon().Sub(f.Request.FailedAt) > 7*day},
		{"a run whose maker is not known is sent", run.Parent == "" && run.Sends == 0 && (cut || len(calls) > 0)},
	}
}
