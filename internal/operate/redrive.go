package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/time/rate"

	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
)

// Plan is what a change of dead letters will touch.
type Plan struct {
	// Letters are the dead letters, the oldest first.
	Letters []DeadLetter
	// Matched counts those that match, with those that Expired counts (their messages are gone)
	// and those that Left counts (a limit leaves them for later).
	Matched int
	Expired int
	Left    int
	// More means that the ledger has more dead letters than were read: at most [MaxRows] of an org.
	// They are left for the next time.
	More bool
	// NeedForce counts those that the function gives up again unless they are sent with force.
	NeedForce int
	// Groups count them by reason and dataflow, the largest first.
	Groups []Group
	// Others is the number of messages that the ledger does not list: those that the change is
	// about, for a plan of [PlanOthers], and otherwise those that it does not touch.
	Others int

	expired []DeadLetter
	// others means that the change is about messages that the ledger does not list: those with
	// the ids, all without any.
	others bool
	listed map[string]bool // what the ledger lists
	filter LetterFilter
	ids    []string
	limit  int // of others; 0 for none
}

// Group counts dead letters of one reason and dataflow.
type Group struct {
	Reason   string `json:"reason"`
	FlowID   string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	Count    int    `json:"count"`
}

// PlanLetters finds the dead letters that match, and counts them. A limit of 0 is none. Where
// the filter names dead letters by their ids, one that is not there is an [*Error] of kind
// NotThere, and one that several orgs have is one of kind Wrong. The ledger's schema is checked: see [CheckSchema].
func PlanLetters(ctx context.Context, o *Operator, f LetterFilter, limit int) (Plan, error) {
	all, err := ListLetters(ctx, o, f)
	if err != nil {
		return Plan{}, err
	}
	for _, id := range f.IDs {
		if !slices.ContainsFunc(all.known, func(l DeadLetter) bool { return l.ID() == id }) {
			return Plan{}, Errorf(NotThere, "the ledger lists no dead letter of %s; aep-retrigger dead-letters list shows those that there are", id)
		}
		if count(all.Letters, func(l *DeadLetter) bool { return l.ID() == id }) > 1 {
			return Plan{}, Errorf(Wrong, "several orgs have a dead letter of run %s: say with --org which one is meant", id)
		}
	}
	p := Plan{Matched: len(all.Letters), More: all.More, Others: all.Others, Groups: []Group{}, listed: idsOf(all.known), filter: all.chose}
	p.expired = keep(all.Letters, func(l *DeadLetter) bool { return l.Expired })
	p.Letters = keep(all.Letters, func(l *DeadLetter) bool { return !l.Expired })
	p.Expired = len(p.expired)
	if limit > 0 && len(p.Letters) > limit {
		p.Left, p.Letters = len(p.Letters)-limit, p.Letters[:limit]
	}
	p.NeedForce = count(p.Letters, func(l *DeadLetter) bool { return l.NeedsForce })
	groups := map[Group]int{}
	for i := range p.Letters {
		l := &p.Letters[i]
		groups[Group{Reason: l.Reason, FlowID: l.FlowID, FlowName: l.FlowName}]++
	}
	for g, n := range groups {
		g.Count = n
		p.Groups = append(p.Groups, g)
	}
	slices.SortFunc(p.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.FlowName, b.FlowName), cmp.Compare(a.FlowID, b.FlowID))
	})
	return p, CheckSchema(ctx, o, all.runs...)
}

// PlanOthers counts the messages that the ledger does not list, as SQS tells it: approximately.
// With ids only those messages are meant. The error is an [*Error], of kind Failed where the
// ledger's lists are too long to tell.
func PlanOthers(ctx context.Context, o *Operator, ids []string, limit int) (Plan, error) {
	all, err := ListLetters(ctx, o, LetterFilter{})
	if err != nil {
		return Plan{}, err
	}
	if all.More && len(ids) == 0 {
		return Plan{}, Errorf(Failed, "the ledger lists more than the %d dead letters that were read, so that nobody can tell which messages are others: name these by their ids", MaxRows)
	}
	p := Plan{Matched: all.Others, Others: all.Others, Groups: []Group{}, others: true, listed: idsOf(all.known), ids: ids, limit: limit}
	if len(ids) > 0 {
		p.Matched = len(ids)
	}
	return p, CheckSchema(ctx, o, all.runs...)
}

// Redrive says how dead letters are sent again.
type Redrive struct {
	// PerSecond is how many are sent in a second.
	PerSecond float64
	// Force passes over policy, limits and breaker for each run.
	Force bool
	Because
	// Progress is called after each one, with how many are done; may be nil.
	Progress func(done int)
}

// Done is what became of a change of dead letters.
type Done struct {
	// Letters are those that the change has touched: their ids, in the order in which it was
	// done.
	Letters []string
	// NotFound are the ids of those whose messages were not received: they are being worked
	// on, somebody else has received them, or they were deleted.
	NotFound []string
	// Leftover counts messages that a redrive has left when it was stopped between sending and
	// deleting them, and that were deleted now.
	Leftover int
	// Looked counts the messages that were received.
	Looked int

	sawAll bool // what was not found is not on the queue at all
}

// SendAgain sends the dead letters of a plan to the request queue, each as it is and with its
// attributes, and then deletes it from the dead-letter queue. If the process dies in between,
// the letter is still there, and may be sent a second time: the ledger sees to it that its run
// is re-triggered once. When the context ends, the letter at hand is finished and the others stay;
// the error is then the context's, beside what was done. Where there are messages that the ledger
// does not list, it looks at all messages for what an earlier redrive has left.
func SendAgain(ctx context.Context, o *Operator, p Plan, r Redrive) (Done, error) {
	who, err := orderOf(ctx, o, r.Because)
	if err != nil {
		return Done{}, err
	}
	pace := rate.NewLimiter(rate.Limit(r.PerSecond), 1)
	w := p.wanted()
	w.leftover = p.leftover(o, r.Force, who)
	return work(ctx, o, w, r.long(len(p.Letters)), func(ctx context.Context, pass *pass, m *Message, done int) error {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if err := send(ctx, o, m, r.Force, who); err != nil {
			return err
		}
		if err := pass.remove(ctx, m); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(done)
		}
		return nil
	})
}

// stepTime bounds one step, which is finished even when the person has interrupted it.
const stepTime = 20 * time.Second

// long is how long it takes to send so many.
func (r *Redrive) long(n int) time.Duration {
	seconds := float64(max(n, batchSize)) / max(r.PerSecond, 0.001)
	return time.Duration(min(seconds, mostHidden.Seconds()) * float64(time.Second))
}

// send puts a dead letter on the request queue, with its attributes, by which the function
// knows that it was one. Where it is a request it says who has sent it again, and why.
func send(ctx context.Context, o *Operator, m *Message, force bool, who order) error {
	body, attributes := m.Body, m.raw.MessageAttributes
	if text, is := requestAgain(m.Body, force, who); is && sqstext.Size(text, attributes) <= sqstext.MaxRequest {
		body = text
	}
	if sqstext.Size(body, attributes) > sqstext.MaxRequest { // a body that has left no room for them
		attributes = nil
	}
	_, err := o.Queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &o.Stack.RequestQueueURL, MessageBody: &body, MessageAttributes: attributes})
	return o.fault(err)
}

// requestAgain adds who asks, and why, to the body of a run's dead letter, and force if that is
// asked for. It reports false for a body that is no such request.
func requestAgain(body string, force bool, who order) (text string, is bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &fields) != nil || fields["runId"] == nil {
		return "", false
	}
	delete(fields, "force") // of who has asked before: it was for that once
	more := map[string]any{}
	if force {
		more["force"] = true
	}
	if who.Reason != "" {
		more["reason"] = who.Reason
	}
	if who.By != "" {
		more["by"] = who.By
	}
	added, err := json.Marshal(more)
	if err != nil || json.Unmarshal(added, &fields) != nil {
		return "", false
	}
	encoded, err := json.Marshal(fields)
	return sqstext.JSON(encoded), err == nil
}
