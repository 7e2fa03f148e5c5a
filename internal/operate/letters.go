package operate

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// DeadLetter is a dead letter as the ledger lists it: of a run that was given up, or of input
// in which there is no run. Times are those of the ledger.
type DeadLetter struct {
	// RunID is empty for a dead letter without a run, which has LetterID instead.
	RunID    string `json:"runId,omitempty"`
	LetterID string `json:"letterId,omitempty"`
	OrgID    string `json:"orgId,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"`
	FlowID   string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	// At is when the dead letter was written, FirstSeen when the run's failure was.
	At        time.Time `json:"at"`
	FirstSeen time.Time `json:"firstSeen,omitzero"`
	// Reason is a word of docs/outcomes.md, Why says it in a sentence, and Next what a person
	// does about it.
	Reason string `json:"reason"`
	Why    string `json:"why,omitempty"`
	Next   string `json:"next,omitempty"`
	// ErrorCode and ErrorText say why the run failed, as its source says. Of a dead letter
	// without a run ErrorText says what is wrong with the input.
	ErrorCode string `json:"errorCode,omitempty"`
	ErrorText string `json:"errorText,omitempty"`
	// Attempts counts the re-triggers of the run's lineage.
	Attempts int `json:"attempts"`
	// LaterSuccess says whether a later run of the dataflow has succeeded; it is left out where
	// the ledger can't tell. SuccessAt and SuccessRunID are when and which, as far as is known.
	LaterSuccess *bool     `json:"laterSuccess,omitempty"`
	SuccessAt    time.Time `json:"successAt,omitzero"`
	SuccessRunID string    `json:"successRunId,omitempty"`
	// Mended says why the cause counts as mended: later_success, rule_changed or
	// credential_accepted. It is left out where it does not, and where nobody asked.
	Mended string `json:"mended,omitempty"`
	// NeedsForce means that the function gives the run up again unless it is sent with force.
	NeedsForce bool `json:"needsForce,omitempty"`
	// Expired means that the letter is older than 14 days, for which the queue keeps messages.
	Expired bool `json:"expired,omitempty"`
	// Body is the beginning of the input, Bytes how long that is: of a dead letter without a
	// run.
	Body  string `json:"body,omitempty"`
	Bytes int    `json:"bytes,omitempty"`
}

// ID is the run's id, or the letter's where there is no run.
func (l *DeadLetter) ID() string { return cmp.Or(l.RunID, l.LetterID) }

// Retention is how long the dead-letter queue keeps a message, as the template has it.
const Retention = ledger.LetterTTL

// isExpired reports whether the message of a dead letter of this time is gone.
func isExpired(at, now time.Time) bool { return now.Sub(at) > Retention }

// Letters is what is known of the dead letters without receiving any.
type Letters struct {
	// Letters are those that match, the oldest first.
	Letters []DeadLetter `json:"letters"`
	// More means that the ledger has more of them than were read: at most [MaxRows] of an org.
	More bool `json:"more"`
	// Queue is SQS's count of the dead-letter queue. Others of these messages are not on the
	// ledger's lists: SQS, Lambda or EventBridge put them there. The count is approximate.
	Queue  Queue `json:"queue"`
	Others int   `json:"others"`

	known []DeadLetter // all, whether they match or not
	runs  []ledger.Run // their entries
	chose LetterFilter // the filter, which knows its dataflow
}

// ListLetters lists the dead letters that match. It reads the ledger and the queue's count and
// receives nothing. Whether a cause is mended is only decided where the filter asks for it: that
// asks the function about its settings.
func ListLetters(ctx context.Context, o *Operator, f LetterFilter) (Letters, error) {
	if err := f.resolve(ctx, o); err != nil {
		return Letters{}, err
	}
	all, runs, err := knownLetters(ctx, o)
	if err != nil {
		return all, err
	}
	now := o.Now()
	all.chose = f
	all.Letters = keep(all.known, func(l *DeadLetter) bool { return f.matches(l, now) })
	if err := learnSuccess(ctx, o, all.Letters, runs); err != nil {
		return all, err
	}
	if f.Mended {
		p, err := presentOf(ctx, o)
		if err != nil {
			return all, err
		}
		for i := range all.Letters {
			all.Letters[i].Mended = Mended(&all.Letters[i], p)
		}
		all.Letters = keep(all.Letters, func(l *DeadLetter) bool { return l.Mended != "" })
	}
	return all, nil
}

// KnownLetters lists all dead letters, without learning whether later runs have succeeded:
// that costs a query for some of their dataflows.
func KnownLetters(ctx context.Context, o *Operator) (Letters, error) {
	all, _, err := knownLetters(ctx, o)
	all.Letters = all.known
	return all, err
}

// knownLetters reads what is known of the dead letters, and the entries of their runs by key.
func knownLetters(ctx context.Context, o *Operator) (Letters, map[string]ledger.Run, error) {
	all, runs, err := readLetters(ctx, o)
	if err != nil {
		return all, nil, err
	}
	if all.Queue, err = queueOf(ctx, o, o.Stack.DeadLetterQueueURL); err != nil {
		return all, nil, err
	}
	if !all.More {
		there := len(all.known) - count(all.known, func(l *DeadLetter) bool { return l.Expired })
		all.Others = max(all.Queue.All()-there, 0)
	}
	return all, runs, nil
}

// idsOf is the set of the letters' ids.
func idsOf(letters []DeadLetter) map[string]bool {
	ids := make(map[string]bool, len(letters))
	for i := range letters {
		ids[letters[i].ID()] = true
	}
	return ids
}

func count(letters []DeadLetter, is func(*DeadLetter) bool) (n int) {
	for i := range letters {
		if is(&letters[i]) {
			n++
		}
	}
	return n
}

// keep returns the letters for which it is so, in a list of its own.
func keep(letters []DeadLetter, is func(*DeadLetter) bool) []DeadLetter {
	kept := make([]DeadLetter, 0, len(letters))
	for i := range letters {
		if is(&letters[i]) {
			kept = append(kept, letters[i])
		}
	}
	return kept
}

// readLetters reads the ledger's lists of dead letters, and the entries of their runs by key.
func readLetters(ctx context.Context, o *Operator) (all Letters, runs map[string]ledger.Run, err error) {
	orgs, err := Orgs(ctx, o, "")
	if err != nil {
		return all, nil, err
	}
	now := o.Now()
	lists := make([][]ledger.Run, len(orgs))
	var letters []ledger.Letter
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, p := range orgs {
		group.Go(func() (err error) {
			lists[i], err = o.Lists().DeadLetters(ctx, p.OrgID, time.Time{}, MaxRows+1)
			return err
		})
	}
	group.Go(func() (err error) {
		letters, err = o.Lists().Letters(ctx, time.Time{}, MaxRows+1)
		return err
	})
	if err := group.Wait(); err != nil {
		return all, nil, o.fault(err)
	}
	runs = map[string]ledger.Run{}
	for _, list := range lists {
		list, more := cutToMax(list)
		all.More = all.More || more
		all.runs = append(all.runs, list...)
		for i := range list {
			runs[ledger.RunKey(list[i].OrgID, list[i].RunID)] = list[i]
			all.known = append(all.known, letterOfRun(&list[i], now))
		}
	}
	letters, more := cutToMax(letters)
	all.More = all.More || more
	for i := range letters {
		all.known = append(all.known, letterWithoutRun(&letters[i], now))
	}
	slices.SortStableFunc(all.known, func(a, b DeadLetter) int { return a.At.Compare(b.At) })
	return all, runs, nil
}

// atOnce is how many calls of AWS are made at once.
const atOnce = 8

func letterOfRun(r *ledger.Run, now time.Time) DeadLetter {
	l := DeadLetter{
		RunID: r.RunID, OrgID: r.OrgID, Sandbox: r.Sandbox, FlowID: r.FlowID, FlowName: r.FlowName, At: r.ChangedAt, FirstSeen: r.FirstSeen,
		Reason: r.Reason, ErrorCode: r.ErrorCode, ErrorText: r.ErrorText, Attempts: r.Used(), Expired: isExpired(r.ChangedAt, now),
	}
	l.NeedsForce = needsForce(retry.Reason(l.Reason))
	l.Why, l.Next = Words(string(ledger.DeadLettered), l.Reason)
	return l
}

func letterWithoutRun(r *ledger.Letter, now time.Time) DeadLetter {
	l := DeadLetter{LetterID: r.ID, At: r.At, Reason: r.Reason, ErrorText: r.Error, Body: r.Body, Bytes: r.Bytes, Expired: isExpired(r.At, now)}
	l.Why, l.Next = Words(string(ledger.DeadLettered), l.Reason)
	return l
}

// learnSuccess reads whether later runs of the letters' dataflows have succeeded: the
// dataflows' entries, and, where these can't tell, their newest runs.
func learnSuccess(ctx context.Context, o *Operator, letters []DeadLetter, runs map[string]ledger.Run) error {
	var keys []string
	for i := range letters {
		if l := &letters[i]; l.FlowID != "" {
			keys = append(keys, ledger.FlowKey(l.OrgID, l.FlowID))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	flows, err := o.Ledger().Read(ctx, keys...)
	if err != nil {
		return o.fault(err)
	}
	newest := map[string][]ledger.Run{} // of a dataflow, by its key
	for i := range letters {
		l := &letters[i]
		if l.FlowID == "" {
			continue
		}
		run, key := runs[ledger.RunKey(l.OrgID, l.RunID)], ledger.FlowKey(l.OrgID, l.FlowID)
		var flow *ledger.Flow
		if flows[key] != nil {
			flow = new(flows.Entries(ledger.Ref{OrgID: l.OrgID, FlowID: l.FlowID}).Flow)
		}
		s := successByEpisode(&run, flow)
		if !s.known {
			if _, read := newest[key]; !read {
				if newest[key], err = o.Ledger().OfFlow(ctx, l.OrgID, l.FlowID, newestRuns); err != nil {
					return o.fault(err)
				}
			}
			s = successAmong(&run, newest[key])
		}
		l.learn(s)
	}
	return nil
}

// newestRuns is how many of a dataflow's runs are looked at for one that has succeeded.
const newestRuns = 50

func (l *DeadLetter) learn(s success) {
	if s.known {
		l.LaterSuccess, l.SuccessAt, l.SuccessRunID = &s.yes, s.at, s.runID
	}
}
